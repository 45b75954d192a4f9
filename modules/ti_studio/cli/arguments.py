"""Options that follow from the request models: a field is an option, its docstring is the help."""

import argparse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Protocol, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ti_studio.errors import StudioError
from ti_studio.folders import Folders, repository_root
from ti_studio.server_options import add_kernels_option

Request = TypeVar("Request", bound=BaseModel)


class Commands(Protocol):
    """What `argparse.ArgumentParser.add_subparsers` returns."""

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser:
        """Adds a command."""


class WrongArguments(StudioError):
    """Options whose values a request does not allow."""


def add_request_options(
    parser: argparse.ArgumentParser, model: type[BaseModel], renamed: Mapping[str, str] | None = None
) -> None:
    """Adds an option for every field of a request: `vectors_per_token` becomes `--vectors-per-token`.

    Args:
        parser: the command's parser.
        model: the request.
        renamed: options for fields that have another name on the command line.
    """
    for name, field in model.model_fields.items():
        if _holds_models(field):
            continue  # no option can say it; a file can
        option = (renamed or {}).get(name, "--" + name.replace("_", "-"))
        text = " ".join((field.description or "").split()).replace("%", "%%")
        parser.add_argument(option, dest=name, **_reading(field), help=text + _default(field))


def read_request(
    model: type[Request], options: argparse.Namespace, complete: Callable[[dict[str, Any]], dict[str, Any]] = dict
) -> Request:
    """Returns the request that the options describe.

    Args:
        model: the request.
        options: what was given.
        complete: makes the request's values of those that were given.

    Raises:
        WrongArguments: a value is not allowed; says which option and why.
    """
    given = {name: value for name in model.model_fields if (value := getattr(options, name, None)) is not None}
    try:
        return model(**complete(given))
    except ValidationError as error:
        raise WrongArguments("; ".join(_problem_text(problem) for problem in error.errors())) from error


def add_folder_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say where things are kept."""
    folders = parser.add_argument_group("folders")
    folders.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="holds embeddings, models and outputs (default: the repository)"
    )
    folders.add_argument("--embeddings-dir", type=Path, metavar="DIR", help="default: embeddings in the data folder")
    folders.add_argument(
        "--ckpt-dir", type=Path, metavar="DIR", help="default: models/Stable-diffusion in the data folder"
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds the folders, and the switch of the CPU kernels, for a command that loads a checkpoint."""
    add_folder_options(parser)
    add_kernels_option(parser)


def add_metadata_option(parser: argparse.ArgumentParser) -> None:
    """Adds the option that leaves out of a written file how its embedding was made."""
    parser.add_argument(
        "--no-metadata", dest="metadata", action="store_false", help="write the rows alone, not how they were made"
    )


def read_folders(options: argparse.Namespace) -> Folders:
    """Returns the folders that the options name, and makes those that are missing."""
    folders = Folders.under(
        options.data_dir or repository_root(), embeddings=options.embeddings_dir, checkpoints=options.ckpt_dir
    )
    folders.make()
    return folders


def _reading(field: FieldInfo) -> dict[str, Any]:
    """Returns how argparse reads a field. No defaults: what is not given is left to the request."""
    kinds: Iterable[Any] = [kind for kind in get_args(field.annotation) if kind is not NoneType] or [field.annotation]
    kind = next(iter(kinds))
    required = {"required": field.is_required(), "default": None}
    if get_origin(field.annotation) is Literal:
        return {"choices": get_args(field.annotation), **required}
    if get_origin(field.annotation) is tuple:
        return {"nargs": "*", "metavar": "TEXT", **required}
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction, "default": None}
    if get_origin(kind) is not None:
        kind = get_args(kind)[0]
    readable = {int: "N", float: "X"}
    return {"type": kind if kind in readable else str, "metavar": readable.get(kind, "TEXT"), **required}


def _holds_models(field: FieldInfo) -> bool:
    return any(isinstance(kind, type) and issubclass(kind, BaseModel) for kind in get_args(field.annotation))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    return f" [{field.default}]" if field.default not in (None, "", False, ()) else ""


def _problem_text(problem: Any) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not problem["loc"]:  # of the request as a whole: the message names its fields
        return message
    option = "--" + "-".join(str(part) for part in problem["loc"]).replace("_", "-")
    input_text = "" if problem["type"] == "value_error" else f" (found {problem['input']!r})"
    return f"{option}: {message}{input_text}"
