"""Latents kept on the disk, each under the hash of the very pixels and the VAE that it was made from."""

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from ti_studio.folders import atomic_write
from ti_studio.models.loading import Model

_MEAN, _STD = "mean", "std"


class LatentFiles:
    """A folder of latents, which any number of trainings may share."""

    def __init__(self, folder: Path, model: Model) -> None:
        self._folder = folder
        digest = hashlib.sha256()
        for name, weights in sorted(model.vae.state_dict().items()):
            digest.update(name.encode())
            digest.update(weights.detach().float().cpu().contiguous().numpy().tobytes())
        self._vae = digest.digest()

    def read(self, pixels: Tensor) -> tuple[Tensor, Tensor] | None:
        """Returns mean and standard deviation [4, h, w] of a picture [3, H, W], or None if they are not there or
        damaged."""
        try:
            tensors = load_safetensors(self._path(pixels).read_bytes())
            return tensors[_MEAN], tensors[_STD]
        except (OSError, SafetensorError, KeyError):
            return None

    def write(self, pixels: Tensor, mean: Tensor, std: Tensor) -> None:
        """Keeps the moments of a picture.

        Raises:
            WriteFailed: the disk is full or the folder can't be written to.
        """
        path = self._path(pixels)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, save_safetensors({_MEAN: mean.cpu().contiguous(), _STD: std.cpu().contiguous()}))

    def _path(self, pixels: Tensor) -> Path:
        digest = hashlib.sha256(self._vae)
        digest.update(str(list(pixels.shape)).encode())
        digest.update(pixels.contiguous().numpy().tobytes())
        return self._folder / f"{digest.hexdigest()}.safetensors"
