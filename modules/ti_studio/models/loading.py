"""Loads a checkpoint for training or for pictures: frozen, in the precision that suits the device."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from ti_studio.errors import NotFound
from ti_studio.models.autoencoder import Autoencoder
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.models.checkpoint.conversion import PROJECTED, CheckpointNotLoaded, SingleFile, single_file_scheduler
from ti_studio.models.checkpoint.diffusers_folders import ENCODER_PARTS, HALF_VARIANT, half_precision_only
from ti_studio.models.cpu.optimize import optimize_for_training
from ti_studio.models.hardware import Hardware
from ti_studio.models.tokenizers import load_tokenizer, shared_tokenizer_folder
from ti_studio.prompts.conditioning import Conditioning, TextEncoder
from ti_studio.watchdog import long_work

AnyModel = TypeVar("AnyModel", bound=nn.Module)


@dataclass(frozen=True)
class Model:
    """A loaded checkpoint. Nothing in it is trainable."""

    info: CheckpointInfo
    hardware: Hardware
    encoders: tuple[TextEncoder, ...]
    unet: Any
    """diffusers' `UNet2DConditionModel`, which is untyped."""
    autoencoder: Autoencoder
    """Always float32: it is small, and half shows in pictures."""
    scheduler_config: dict[str, Any]

    @property
    def vae(self) -> Any:
        """diffusers' `AutoencoderKL`, which is untyped; read anew if it was put away."""
        return self.autoencoder.module

    @property
    def latent_factor(self) -> int:
        """Pixels of a picture's side for one of its latents."""
        return int(2 ** (len(self.autoencoder.config.block_out_channels) - 1))

    @property
    def scaling_factor(self) -> float:
        """What the VAE's latents are multiplied by for the UNet."""
        return float(self.autoencoder.config.scaling_factor)

    def predict(
        self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning, sizes: Tensor | None = None
    ) -> Tensor:
        """Returns the UNet's output in float32.

        Args:
            noisy: latents, [n, 4, h, w].
            timesteps: [n].
            conditioning: n encoded prompts.
            sizes: what SDXL is told of the pictures, [n, 6]: original height and width, top and left of the crop,
                target height and width, in pixels. None says that they are whole ones of the very size that is asked
                for. The other families don't hear of it.
        """
        dtype = self.hardware.dtype
        encoder_hidden_states = conditioning.encoder_hidden_states.to(dtype)
        added = self._added(noisy, conditioning, sizes)
        return cast(
            Tensor, self.unet(noisy.to(dtype), timesteps, encoder_hidden_states, added_cond_kwargs=added).sample
        ).float()

    def _added(self, noisy: Tensor, conditioning: Conditioning, sizes: Tensor | None) -> dict[str, Tensor] | None:
        """Returns what SDXL is told beside the context: the pooled prompts, and the pictures' sizes."""
        if conditioning.pooled is None:
            return None
        if sizes is None:
            height, width = (side * self.latent_factor for side in noisy.shape[-2:])
            whole = torch.tensor([height, width, 0, 0, height, width], device=noisy.device, dtype=torch.float32)
            sizes = whole.expand(len(noisy), -1)
        return {"text_embeds": conditioning.pooled.to(self.hardware.dtype), "time_ids": sizes}

    def checkpoint_gradients(self, on: bool) -> None:
        """Lets the UNet's backward pass compute its blocks' insides once more rather than keep them from the forward
        pass: less memory, more time, the same gradient."""
        (self.unet.enable_gradient_checkpointing if on else self.unet.disable_gradient_checkpointing)()

    def decode(self, latents: Tensor) -> Tensor:
        """Returns pictures [n, 3, H, W] in 0…1 of scaled latents [n, 4, h, w]."""
        decoded = self.vae.decode(latents.to(self.vae.dtype) / self.scaling_factor).sample
        return (cast(Tensor, decoded).float() / 2 + 0.5).clamp(0, 1)


def load(info: CheckpointInfo, hardware: Hardware) -> Model:
    """Loads a single file or a diffusers folder, without asking the network for anything, for fast computing.

    Raises:
        CheckpointNotLoaded: weights are missing, or do not fit the configuration.
    """
    model = load_as_it_is(info, hardware)
    optimize_for_training(model.unet, hardware)
    return model


def load_as_it_is(info: CheckpointInfo, hardware: Hardware) -> Model:
    """Loads as `load` does, and leaves the models as diffusers and transformers make them."""
    with long_work(), _naming("checkpoint", info.path):
        return _load_file(info, hardware) if info.path.is_file() else _load_folder(info, hardware)


def with_vae(model: Model, path: Path) -> Model:
    """Returns a checkpoint with another VAE: a file with a VAE's original names (of a checkpoint or alone), or a
    diffusers folder.

    Raises:
        NotFound: there is no such file or folder.
        CheckpointNotLoaded: it holds no VAE, or one for other latents.
    """
    folder = path / "vae" if (path / "vae").is_dir() else path
    if not (folder.is_dir() or path.is_file()):
        raise NotFound(f"There is no VAE {path}; expected a file, or a diffusers folder.")
    read = partial(_read_vae_folder, folder) if folder.is_dir() else SingleFile(replace(model.info, path=path)).vae
    autoencoder = _autoencoder(read, model.hardware, path)
    channels, expected = autoencoder.config.latent_channels, model.autoencoder.config.latent_channels
    if channels != expected:
        raise CheckpointNotLoaded(f"The VAE {path} makes latents of {channels} channels; expected {expected}.")
    return replace(model, autoencoder=autoencoder)


def load_encoders(info: CheckpointInfo, hardware: Hardware) -> tuple[TextEncoder, ...]:
    """Loads a checkpoint's text encoders alone.

    Raises:
        CheckpointNotLoaded: as `load`.
    """
    with long_work():
        if info.path.is_file():
            file, tokenizer = SingleFile(info), shared_tokenizer_folder()
            return tuple(
                _text_encoder(info, key, _frozen(file.encoder(key, hardware.dtype), hardware), tokenizer)
                for key in info.family.encoders
            )
        return tuple(
            _load_encoder(info, key, folder, hardware)
            for key, folder in zip(info.family.encoders, ENCODER_PARTS, strict=False)
        )


def _load_file(info: CheckpointInfo, hardware: Hardware) -> Model:
    file = SingleFile(info)
    encoders = load_encoders(info, hardware)
    unet = _frozen(file.unet(hardware.dtype), hardware)
    return Model(
        info, hardware, encoders, unet, _autoencoder(file.vae, hardware, info.path), single_file_scheduler(info)
    )


def _load_folder(info: CheckpointInfo, hardware: Hardware) -> Model:
    encoders = load_encoders(info, hardware)
    unet = _load_part(UNet2DConditionModel, info.path / "unet", torch_dtype=hardware.dtype)
    autoencoder = _autoencoder(partial(_read_vae_folder, info.path / "vae"), hardware, info.path)
    scheduler_config = {**_scheduler_config(info.path), "prediction_type": info.prediction_type}
    return Model(info, hardware, encoders, _frozen(unet, hardware), autoencoder, scheduler_config)


def _autoencoder(read: Callable[[torch.dtype], Any], hardware: Hardware, path: Path) -> Autoencoder:
    """Returns a VAE that `read` reads of a path in a precision."""

    def read_frozen() -> Any:
        with _naming("VAE", path):
            return _frozen(read(torch.float32), hardware)

    return Autoencoder(read_frozen)


def _read_vae_folder(folder: Path, dtype: torch.dtype) -> Any:
    return _load_part(AutoencoderKL, folder, torch_dtype=dtype)


@contextmanager
def _naming(what: str, path: Path) -> Iterator[None]:
    """Turns what the libraries say of a file that can't be loaded into an error that names it."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointNotLoaded(f"The {what} {path} could not be loaded: {error}") from error


def _load_encoder(info: CheckpointInfo, key: str, folder: str, hardware: Hardware) -> TextEncoder:
    kind = CLIPTextModelWithProjection if key == PROJECTED else CLIPTextModel
    model = _load_part(kind, info.path / folder, dtype=hardware.dtype)
    tokenizer = info.path / folder.replace("text_encoder", "tokenizer")
    return _text_encoder(info, key, _frozen(model, hardware), tokenizer)


def _text_encoder(info: CheckpointInfo, key: str, model: Any, tokenizer: Path) -> TextEncoder:
    if key == PROJECTED:
        text_model, projection = model.text_model, model.text_projection
        return TextEncoder(key, load_tokenizer(tokenizer, key), text_model, info.family.layer, projection)
    return TextEncoder(key, load_tokenizer(tokenizer, key), model, info.family.layer)


def _load_part(kind: Any, folder: Path, **precision: torch.dtype) -> Any:
    """Loads one part with diffusers or transformers, neither of which minds by itself when weights are missing."""
    part, report = kind.from_pretrained(
        folder,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        variant=HALF_VARIANT if half_precision_only(folder) else None,
        **precision,
    )
    missing = sorted(report["missing_keys"])
    if missing:
        raise CheckpointNotLoaded(f"{folder} lacks {len(missing)} of its tensors, {missing[0]} among them.")
    return part


def _frozen(model: AnyModel, hardware: Hardware) -> AnyModel:
    return model.to(hardware.device).requires_grad_(False).eval()


def _scheduler_config(path: Path) -> dict[str, Any]:
    return dict(DDIMScheduler.load_config(path / "scheduler", local_files_only=True))
