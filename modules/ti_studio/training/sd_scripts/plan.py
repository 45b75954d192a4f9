"""From sd-scripts' options to one TrainRequest and what the command does around it. Imports no torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ti_studio.training.config.request import TrainRequest
from ti_studio.training.sd_scripts.dataset_config import (
    DatasetConfig,
    read_dataset_config,
    read_in_json,
    read_resolution,
    read_train_data_dir,
)
from ti_studio.training.sd_scripts.options import (
    DATASET,
    NESTEROV,
    OPTIMIZERS,
    OPTIONS,
    TRAINING,
    BadConfiguration,
    Option,
)

DEFAULT_STEPS = 1600
"""sd-scripts' own."""

DEFAULT_GRADIENT_NORM = 1.0
"""sd-scripts' own."""

TEMPLATES = {"use_object_template": "imagenet_object.txt", "use_style_template": "imagenet_style.txt"}

_CACHED_OUTPUTS = (
    "the text encoders' output changes with the word at every step, so only what can be kept is: prompts are tokenized "
    "once, and equal prompts of a batch are encoded once"
)


@dataclass(frozen=True)
class Plan:
    """What a command is to do."""

    request: TrainRequest
    output_dir: Path
    output_name: str
    options: Mapping[str, Any]
    """The options that are given, by their names."""
    notices: tuple[str, ...]


def read_plan(options: Mapping[str, Any]) -> Plan:
    """Translates options into a request; whatever differs from sd-scripts is in the notices.

    Raises:
        StudioError: an option is missing, contradicts another one, or its value is not allowed.
    """
    for needed in ("token_string", "pretrained_model_name_or_path", "output_dir"):
        if not options.get(needed):
            raise BadConfiguration(f"--{needed} is missing.")
    notices = [*_without_effect(options)]
    config = _dataset(options)
    notices += config.notices
    fields = _fields(options)
    fields |= {"folders": config.folders, "overwrite": True, "save_every": 0, "preview_every": 0}
    fields["max_steps"] = fields.get("max_steps", DEFAULT_STEPS)
    fields |= _scheduler(options, fields, notices)
    fields["batch_size"] = config.batch_size or fields.get("batch_size", 1)
    fields["vectors_per_token"] = fields.get("vectors_per_token", 1)
    size = read_resolution(options.get("resolution"), "--resolution")
    fields["width"], fields["height"] = (config.folders[0].width or size[0], config.folders[0].height or size[1])
    fields |= _prompts(options)
    fields["save_as"] = "safetensors" if options.get("save_model_as") == "safetensors" else "pt"
    fields |= _numbers_of_steps(fields)
    fields.setdefault("max_grad_norm", DEFAULT_GRADIENT_NORM)
    fields |= _paths(options, fields)
    request = _request(fields)
    if "learning_rate" not in options:
        notices.append(
            f"No --learning_rate: {request.learning_rate} is used; sd-scripts' own default, 2e-6, would not move "
            "the word."
        )
    return Plan(
        request,
        Path(options["output_dir"]).expanduser().resolve(),
        options.get("output_name") or request.name,
        options,
        tuple(notices),
    )


def _fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the request's fields."""
    fields = {option.field: _value(option, options[option.name]) for option in TRAINING if option.name in options}
    return fields | _optimizer(options)


def _paths(options: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, str]:
    """Returns the paths of files, absolute.

    Raises:
        BadConfiguration: there is none.
    """
    for name in ("weights", "weigts", "dataset_config"):
        if name in options and not Path(options[name]).expanduser().is_file():
            raise BadConfiguration(f"--{name}: there is no file {options[name]}.")
    if options.get("vae") and not Path(options["vae"]).expanduser().exists():
        raise BadConfiguration(f"--vae: there is no file or folder {options['vae']}.")
    given = {name: fields[name] for name in ("initialization_file", "vae") if fields.get(name)}
    thumbnail = fields.get("metadata_thumbnail", "")
    if thumbnail and not thumbnail.startswith("data:"):
        if not Path(thumbnail).expanduser().is_file():
            raise BadConfiguration(f"--metadata_thumbnail: there is no picture {thumbnail}.")
        given["metadata_thumbnail"] = thumbnail
    return {name: str(Path(path).expanduser().resolve()) for name, path in given.items()}


def _value(option: Option, value: Any) -> Any:
    if option.value is not None:
        return option.value
    return option.names.get(value.lower(), value) if isinstance(value, str) and option.names else value


def _numbers_of_steps(fields: Mapping[str, Any]) -> dict[str, int]:
    """Returns the numbers of steps that may also be given as parts of all steps."""
    given = {name: fields[name] for name in ("lr_warmup_steps", "lr_decay_steps") if name in fields}
    return {name: int(value * fields["max_steps"] if 0 < value < 1 else value) for name, value in given.items()}


def _optimizer(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what sd-scripts makes of some optimizers: momentum for Nesterov's, and a class of torch where a name has
    no dot in it."""
    name = options.get("optimizer_type") or ""
    if name.lower() in NESTEROV:
        arguments = tuple(options.get("optimizer_args") or ())
        momentum = () if any(text.startswith("momentum") for text in arguments) else ("momentum=0.9",)
        return {"optimizer_args": (*arguments, *momentum, "nesterov=True")}
    if options.get("optimizer_type") == "":
        return {"optimizer": "adamw"}
    if name and "." not in name and name.lower() not in OPTIMIZERS:
        return {"optimizer": f"torch.optim.{name}"}
    return {}


def _scheduler(options: Mapping[str, Any], fields: Mapping[str, Any], notices: list[str]) -> dict[str, Any]:
    """Returns what sd-scripts makes of schedulers that are classes, and of two that are called otherwise here; what
    differs is told."""
    name, kind = str(options.get("lr_scheduler", "")), options.get("lr_scheduler_type") or ""
    arguments = tuple(options.get("lr_scheduler_args") or ())
    if kind:
        path = kind if "." in kind else f"torch.optim.lr_scheduler.{kind}"
        return {"lr_scheduler": path, "lr_scheduler_args": arguments}
    if name == "piecewise_constant":
        return _piecewise(arguments, fields)
    if arguments:
        raise BadConfiguration(
            f"--lr_scheduler_args {' '.join(arguments)}: --lr_scheduler {name or 'constant'} has options of its own; "
            "expected --lr_scheduler_type with them."
        )
    if name.startswith("adafactor"):
        notices.append(f"--lr_scheduler {name}: the rate is held, since Adafactor is told not to choose its own.")
        return {"lr_scheduler": "constant"}
    return {}


def _piecewise(arguments: tuple[str, ...], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns A1111's schedule for diffusers' rules, `step_rules=1:100,0.1:1000,0.01`: factors of the rate, each up to
    its step."""
    rate = str(fields.get("learning_rate", TrainRequest.model_fields["learning_rate"].default))
    try:
        ((key, _, rules),) = (text.partition("=") for text in arguments)
        pairs = [part.partition(":") for part in rules.strip("'\"").split(",")]
        steps = [f"{float(factor) * float(rate):g}{colon}{step}" for factor, colon, step in pairs]
        if key.strip() != "step_rules" or not all(step.strip().isdecimal() for _, colon, step in pairs if colon):
            raise ValueError(rules)
    except ValueError as error:
        raise BadConfiguration(
            f"--lr_scheduler piecewise_constant: found --lr_scheduler_args {' '.join(arguments)!r}; expected "
            "step_rules=1:100,0.1:1000,0.01 and one --learning_rate, or write the rates and their last steps into "
            "--learning_rate: 0.005:100,1e-3:1000,1e-4."
        ) from error
    return {"lr_scheduler": "schedule", "learning_rate": ", ".join(steps)}


def _request(fields: Mapping[str, Any]) -> TrainRequest:
    try:
        return TrainRequest(**fields)
    except ValidationError as error:
        flags = {option.field or option.name: option.flag for option in OPTIONS}
        problems = "; ".join(
            f"{flags.get(str(problem['loc'][0]), problem['loc'][0]) if problem['loc'] else 'options'}: "
            f"{str(problem['msg']).removeprefix('Value error, ')} (found {problem['input']!r})"
            for problem in error.errors()
        )
        raise BadConfiguration(f"{problems}.") from error


def _without_effect(options: Mapping[str, Any]) -> list[str]:
    refused = [option for option in OPTIONS if option.refused and option.name in options]
    if refused:
        raise BadConfiguration(f"{refused[0].flag} can't be followed: {refused[0].refused}.")
    notices = [
        f"{option.flag} changes nothing: {option.without_effect}."
        for option in OPTIONS
        if option.without_effect and option.name in options
    ]
    for name in ("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk"):
        if name in options:
            notices.append(f"--{name}: {_CACHED_OUTPUTS}.")
    if options.get("save_model_as") == "ckpt":
        notices.append("--save_model_as ckpt: an embedding in this form is called .pt here, as in A1111.")
    return notices


def _dataset(options: Mapping[str, Any]) -> DatasetConfig:
    defaults = {option.dataset_key: options[option.name] for option in DATASET if option.name in options}
    if "train_batch_size" in options:
        defaults["batch_size"] = options["train_batch_size"]
    if "dataset_config" in options:
        config = read_dataset_config(Path(options["dataset_config"]).expanduser(), defaults)
        ignored = [f"--{name}" for name in ("train_data_dir", "reg_data_dir", "in_json") if name in options]
        notices = (f"{' and '.join(ignored)}: not looked at, since there is a --dataset_config.",) if ignored else ()
        return DatasetConfig(config.folders, config.batch_size, (*config.notices, *notices))
    if "in_json" in options:
        return read_in_json(options["in_json"], options.get("train_data_dir"), defaults)
    if "train_data_dir" not in options:
        raise BadConfiguration("--dataset_config or --train_data_dir is missing.")
    regular = Path(options["reg_data_dir"]).expanduser() if "reg_data_dir" in options else None
    return read_train_data_dir(Path(options["train_data_dir"]).expanduser(), regular, defaults)


def _prompts(options: Mapping[str, Any]) -> dict[str, Any]:
    chosen = [template for name, template in TEMPLATES.items() if options.get(name)]
    if len(chosen) > 1:
        raise BadConfiguration("--use_object_template and --use_style_template: expected one of the two.")
    return {"template": chosen[0]} if chosen else {"captions_are_prompts": True}


def steps_in_epoch(request: TrainRequest, batches: int) -> int:
    """Returns the optimizer steps of one epoch of so many batches."""
    return math.ceil(batches / request.gradient_accumulation_steps)
