"""The Train tab's closed section for those who know what they want to change about how a word learns."""

from typing import Any, get_args

import gradio as gr
from gradio.components import Component

from ti_studio.field_types import Precision
from ti_studio.training.config.optimizer import OptimizerName, Scheduler
from ti_studio.training.config.request import TrainRequest
from ti_studio.web.ui.more_options import more_options_box
from ti_studio.web.ui.preset_choice import AT_FIRST


def advanced_options() -> tuple[dict[str, Component], gr.Textbox]:
    """Builds the section; returns its controls by the request's fields, and the box for those that have none."""
    with gr.Accordion("Advanced", open=False, elem_id="ti_advanced"):
        gr.Markdown("As the preset has them unless changed. docs/training.md says when each is worth a try.")
        controls = _validation() | _rows() | _optimizer() | _objective() | _computing() | _words()
        return controls, more_options_box()


def unshown_options(controls: dict[str, Component]) -> dict[str, Any]:
    """Returns the values of the request's fields that the page does not show; the command line and REST have them."""
    fields = TrainRequest.model_fields.items()
    return {name: field.get_default(call_default_factory=True) for name, field in fields if name not in controls}


def _validation() -> dict[str, Component]:
    with gr.Group():
        with gr.Row():
            every = _number(
                "validation_every", "Validate every N steps, 0 to disable", "The plain loss of a fixed set."
            )
            patience = _number("patience", "Patience", "Validations that early stopping looks at; 0 never stops early.")
        with gr.Row():
            stopping = gr.Radio(
                ["improvement", "variance"],
                value=AT_FIRST["early_stopping"],
                label="Early stopping",
                info="Finish when they brought no improvement, or when the loss hardly varies any more (DVAR).",
                elem_id="ti_early_stopping",
            )
            best = gr.Checkbox(
                AT_FIRST["keep_best"],
                label="Keep the best",
                info="Finish with the best validated rows, not the last ones.",
                min_width=160,
                elem_id="ti_keep_best",
            )
    return {"validation_every": every, "patience": patience, "early_stopping": stopping, "keep_best": best}


def _rows() -> dict[str, Component]:
    with gr.Group():
        with gr.Row():
            parametrization = gr.Radio(
                ["rows", "direction"],
                value=AT_FIRST["parametrization"],
                label="Parametrization",
                info="direction holds the rows at the vocabulary's norm: the rest of the prompt keeps more say.",
                elem_id="ti_parametrization",
            )
            prior = _number("prior_weight", "Prior weight", "Of direction: the pull to the initial one, 1e-4.")
        with gr.Row():
            limit = _number("norm_limit", "Norm limit", "Times the vocabulary's mean norm; 0 sets none.")
            init = _number("init_weight", "Initialization weight", "The pull to the initialization text.")
            average = _number("ema_decay", "EMA decay", "Show and save the rows' average, 0.99; 0 is off.")
        with gr.Row():
            context = _number("context_weight", "Context weight", "Keeps what the prompt's other tokens mean.")
            prompt = _number("prompt_weight", "Prompt weight", "Keeps other prompts' layout; steps take longer.")
    return {
        "parametrization": parametrization,
        "prior_weight": prior,
        "norm_limit": limit,
        "init_weight": init,
        "ema_decay": average,
        "context_weight": context,
        "prompt_weight": prompt,
    }


def _optimizer() -> dict[str, Component]:
    with gr.Group():
        with gr.Row():
            optimizer = gr.Dropdown(
                list(get_args(OptimizerName)),
                value=AT_FIRST["optimizer"],
                label="Optimizer",
                info="Or a class, such as torch.optim.RMSprop.",
                allow_custom_value=True,
                elem_id="ti_optimizer",
            )
            arguments = gr.Textbox(
                AT_FIRST["optimizer_args"],
                label="Optimizer arguments",
                info="name=value, one a line.",
                elem_id="ti_optimizer_args",
                lines=1,
                max_lines=4,
            )
        with gr.Row():
            scheduler = gr.Dropdown(
                list(get_args(Scheduler)),
                value=AT_FIRST["lr_scheduler"],
                label="Learning-rate scheduler",
                info="schedule follows the learning rate's own steps. Or a class of torch.",
                allow_custom_value=True,
                elem_id="ti_lr_scheduler",
            )
            warmup = _number("lr_warmup_steps", "Warm-up steps", "The rate rises over them.")
    return {
        "optimizer": optimizer,
        "optimizer_args": arguments,
        "lr_scheduler": scheduler,
        "lr_warmup_steps": warmup,
    }


def _objective() -> dict[str, Component]:
    with gr.Group(), gr.Row():
        snr = _number("min_snr_gamma", "Min-SNR gamma", "Less weight for clean timesteps, 5; 0 is off.")
        first = _number("min_timestep", "Min timestep", "0 to 999; low ones teach texture.")
        end = _number("max_timestep", "Max timestep", "1 to 1000; high ones decide layout.")
        skip = _number("clip_skip", "Clip skip", "As in txt2img: 2 for many anime checkpoints of SD 1.")
    return {"min_snr_gamma": snr, "min_timestep": first, "max_timestep": end, "clip_skip": skip}


def _computing() -> dict[str, Component]:
    with gr.Group(), gr.Row():
        precision = gr.Dropdown(
            list(get_args(Precision)),
            value=AT_FIRST["precision"],
            label="Precision",
            info="auto is bf16 where the device computes in it; the rows are always fp32.",
            elem_id="ti_precision",
        )
        checkpointing = gr.Checkbox(
            AT_FIRST["gradient_checkpointing"],
            label="Gradient checkpointing",
            info="Less memory for more time.",
            elem_id="ti_gradient_checkpointing",
        )
    return {"precision": precision, "gradient_checkpointing": checkpointing}


def _words() -> dict[str, Component]:
    words = gr.Textbox(
        AT_FIRST["more_words"],
        label="More words",
        info="Taught together from the same pictures, whose captions name them: name : initialization text : vectors, "
        "one word a line.",
        elem_id="ti_more_words",
        lines=1,
        max_lines=6,
    )
    return {"more_words": words}


def _number(field: str, label: str, info: str) -> gr.Number:
    """Returns a control for a number; the request says which numbers are allowed."""
    whole = 0 if isinstance(AT_FIRST[field], int) else None
    return gr.Number(AT_FIRST[field], label=label, info=info, precision=whole, min_width=120, elem_id=f"ti_{field}")
