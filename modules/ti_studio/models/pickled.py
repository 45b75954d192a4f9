"""The tensors of a `.ckpt` file, a pickle of which nothing is run."""

import pickle
import re
import struct
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from ti_studio.models.headers import BrokenFile
from ti_studio.models.outline import UnknownCheckpoint

_DAMAGE = (OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, struct.error)
"""What torch's unpickler ends in on bytes that are not what it wrote."""


def read_pickled(path: Path) -> dict[str, Tensor]:
    """Returns the tensors by name, mapped from the file where it is a zip archive.

    torch's restricted unpickler makes tensors and containers and nothing else.

    Raises:
        UnknownCheckpoint: the pickle asks for anything else, or holds something else than named tensors.
        BrokenFile: the file is damaged.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        why = f"it asks for {asked[1]}, which could run a program" if asked else "it is no pickle of tensors"
        raise UnknownCheckpoint(
            f"{path} was not opened: {why}. Expected a file of tensors alone; a .safetensors file of the same checkpoint "
            "is one."
        ) from error
    except _DAMAGE as error:
        why = (str(error) or "it ends too early").splitlines()[0]
        raise BrokenFile(f"{path} is damaged: {why}") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise UnknownCheckpoint(f"{path} holds a {type(content).__name__}; expected named tensors.")
    return {str(name): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}
