"""The tensors of a `.ckpt` file, a pickle of which nothing is run."""

import pickle
import re
import struct
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from ti_studio.embeddings.formats.pickles import StandIn, globals_allowed
from ti_studio.models.checkpoint.header_summary import UnknownCheckpoint
from ti_studio.models.checkpoint.headers import BrokenFile

_DAMAGE = (OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, struct.error)
"""What torch's unpickler ends in on bytes that are not what it wrote."""

_STOOD_IN_FOR = re.compile(
    r"(pytorch_lightning|lightning|lightning_fabric|torchmetrics|omegaconf|numpy|typing|argparse|_codecs)\.[\w.]+"
    r"|collections\.defaultdict|builtins\.(bool|dict|float|int|list|long|object|str|tuple|unicode)"
)
"""What trainers leave beside the tensors: the state of callbacks, settings, NumPy's numbers. The official SD 1.4 file
has a `ModelCheckpoint` of PyTorch Lightning in it."""

_MOST_NAMES = 100


class _Inert:
    """Stands in for an object that is no tensor: takes whatever the pickle gives it, keeps nothing, does nothing."""

    def __new__(cls, *_arguments: object) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *_arguments: object) -> None:
        """Forgets the arguments."""

    def __setstate__(self, _state: object) -> None:
        """Forgets the state."""


def _dictionary(*_arguments: object) -> dict[object, object]:
    """Stands in for a dictionary with defaults, into which the pickle puts its items."""
    return {}


def read_pickled(path: Path) -> dict[str, Tensor]:
    """Returns the tensors by name, mapped from the file where it is a zip archive.

    torch's restricted unpickler makes tensors and containers and nothing else. For names of trainers' packages it gets
    a class that does nothing; none of these packages is imported.

    Raises:
        UnknownCheckpoint: the pickle asks for anything else, or holds something else than named tensors.
        BrokenFile: the file is damaged.
    """
    try:
        content = _load(path)
    except pickle.UnpicklingError as error:
        asked = _asked_for(error)
        why = f"it asks for {asked}, which could run a program" if asked else "it is no pickle of tensors"
        raise UnknownCheckpoint(
            f"{path} was not opened: {why}. Expected a file of tensors alone; a .safetensors file of the same "
            "checkpoint is one."
        ) from error
    except _DAMAGE as error:
        why = (str(error) or "it ends too early").splitlines()[0]
        raise BrokenFile(f"{path} is damaged: {why}") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise UnknownCheckpoint(f"{path} holds a {type(content).__name__}; expected named tensors.")
    return {str(name): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}


def _load(path: Path) -> object:
    """Loads a pickle, each time with a stand-in for one more name that it turns out to hold.

    Raises:
        pickle.UnpicklingError: it holds a name that nothing stands in for.
    """
    stand_ins: list[StandIn] = []
    mapped = zipfile.is_zipfile(path)
    while True:
        try:
            with globals_allowed(stand_ins):
                return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        except pickle.UnpicklingError as error:
            asked = _asked_for(error)
            known = {name for _, name in stand_ins}
            if asked is None or asked in known or len(known) >= _MOST_NAMES or not _STOOD_IN_FOR.fullmatch(asked):
                raise
            stand_ins.append((_dictionary if asked == "collections.defaultdict" else _Inert, asked))


def _asked_for(error: pickle.UnpicklingError) -> str | None:
    """Returns the name that torch's unpickler refused."""
    asked = re.search(r"GLOBAL (\S+)", str(error))
    if asked is None:
        return None
    # torch names Python's own things without their module.
    return asked[1] if "." in asked[1] else f"builtins.{asked[1]}"
