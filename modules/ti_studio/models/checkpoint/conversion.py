"""Makes diffusers' and transformers' models of the tensors in a single file, without asking the network."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as diffusers_converters
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from ti_studio.errors import StudioError
from ti_studio.models.checkpoint.architecture import Shapes, clip_config, open_clip_config, unet_config, vae_config
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.models.checkpoint.headers import BrokenFile
from ti_studio.models.checkpoint.pickled import read_pickled
from ti_studio.models.checkpoint.single_files import SECOND_TEXT_PREFIX, TEXT_PREFIXES, UNET, VAE, contents_of
from ti_studio.models.families import SDXL

PROJECTED = "clip_g"
"""The text encoder with a projection, of whose end token SDXL makes the pooled prompt."""

_OPENCLIP_H_LAYERS = 24
"""Layers of SD 2's encoder, the last of which it does not listen to; diffusers' folders leave it out, files have it."""

_UNUSED_CLIP = ("embeddings.position_ids", "text_projection.weight", "logit_scale")
_UNUSED_OPEN_CLIP = ("logit_scale", "attn_mask")
_UNUSED_VAE = ("loss.", "model_ema.")

_SHOWN = 3

Tensors = dict[str, Tensor]

# diffusers is untyped.
_CONVERTERS: Any = diffusers_converters
_UNET: Any = UNet2DConditionModel
_VAE: Any = AutoencoderKL


class CheckpointNotLoaded(StudioError):
    """A checkpoint's weights do not fit its configuration."""


class SingleFile:
    """A checkpoint in one file. Its tensors are read part by part, as each is asked for.

    Tensors outside of the parts – averaged copies (`model_ema.*`), the noise schedule's tables, markers – are left
    where they are; inside a part each one must find its place.
    """

    def __init__(self, info: CheckpointInfo) -> None:
        self._path = info.path
        self._family = info.family

    def unet(self, dtype: torch.dtype) -> Any:
        """Returns the `UNet2DConditionModel`.

        Raises:
            CheckpointNotLoaded: tensors are missing, are of another shape, or have no place in the model.
        """
        tensors = self._tensors(UNET)
        pooled_width = None
        if self._family is SDXL:
            second = contents_of(self._path).part(SECOND_TEXT_PREFIX)
            pooled_width = self._derived(PROJECTED, lambda: open_clip_config(second))["projection_dim"]
        config = self._derived("UNet", lambda: unet_config(_shapes(tensors), self._family, pooled_width))
        named = {UNET + name: tensor for name, tensor in tensors.items()}
        converted = self._derived("UNet", lambda: _CONVERTERS.convert_ldm_unet_checkpoint(named, config))
        self._check_all_used("UNet", named, converted)
        return self._filled("UNet", lambda: _UNET(**config), converted, dtype)

    def vae(self, dtype: torch.dtype) -> Any:
        """Returns the `AutoencoderKL`, of a checkpoint or of a file that holds nothing else; raises as `unet` does."""
        all_tensors = self._tensors(VAE) or self._tensors("")
        tensors = {name: tensor for name, tensor in all_tensors.items() if not name.startswith(_UNUSED_VAE)}
        config = self._derived("VAE", lambda: vae_config(_shapes(tensors), self._family))
        named = {VAE + name: tensor for name, tensor in tensors.items()}
        converted = self._derived("VAE", lambda: _CONVERTERS.convert_ldm_vae_checkpoint(named, config))
        self._check_all_used("VAE", named, converted)
        return self._filled("VAE", lambda: _VAE(**config), converted, dtype)

    def encoder(self, key: str, dtype: torch.dtype) -> Any:
        """Returns a text encoder: `CLIPTextModelWithProjection` for `clip_g`, else `CLIPTextModel`; raises as `unet`
        does."""
        if key == "clip_l":
            return self._clip(dtype)
        return self._open_clip(key, dtype)

    def _clip(self, dtype: torch.dtype) -> Any:
        tensors = {
            name.removeprefix("text_model."): tensor
            for name, tensor in self._tensors(TEXT_PREFIXES[self._family.name]).items()
            if not name.endswith(_UNUSED_CLIP)
        }
        config = self._derived("clip_l", lambda: clip_config(_shapes(tensors)))
        return self._filled("clip_l", lambda: CLIPTextModel(CLIPTextConfig(**config)), tensors, dtype)

    def _open_clip(self, key: str, dtype: torch.dtype) -> Any:
        prefix = SECOND_TEXT_PREFIX if key == PROJECTED else TEXT_PREFIXES[self._family.name]
        tensors = {name: t for name, t in self._tensors(prefix).items() if not name.endswith(_UNUSED_OPEN_CLIP)}
        kind: Any = CLIPTextModelWithProjection
        if key != PROJECTED:
            kind = CLIPTextModel
            last = f"transformer.resblocks.{_OPENCLIP_H_LAYERS - 1}."
            tensors = {n: t for n, t in tensors.items() if not n.startswith(last) and n != "text_projection"}
        config = CLIPTextConfig(**self._derived(key, lambda: open_clip_config(_shapes(tensors))))
        named = {prefix + name: tensor for name, tensor in tensors.items()}
        with init_empty_weights(include_buffers=False):
            empty = kind(config)
        converted = self._derived(key, lambda: _CONVERTERS.convert_open_clip_checkpoint(empty, named, prefix=prefix))
        self._check_all_used(key, named, converted)
        if kind is CLIPTextModel:
            converted = {name.removeprefix("text_model."): tensor for name, tensor in converted.items()}
        return self._filled(key, lambda: kind(config), converted, dtype)

    def _tensors(self, prefix: str) -> Tensors:
        """Returns the tensors below a prefix, by the rest of their names."""
        if self._path.suffix.lower() == ".safetensors":
            try:
                with safe_open(self._path, "pt") as file:
                    names = [name for name in file.keys() if name.startswith(prefix)]
                    return {name[len(prefix) :]: file.get_tensor(name) for name in names}
            except SafetensorError as error:
                raise BrokenFile(f"{self._path} is damaged: {error}") from error
        pickled = read_pickled(self._path)
        return {name[len(prefix) :]: tensor for name, tensor in pickled.items() if name.startswith(prefix)}

    def _derived(self, what: str, derive: Callable[[], Any]) -> Any:
        """Calls what looks tensors up by name, which ends in a KeyError or the like where they are not as expected."""
        try:
            return derive()
        except (KeyError, IndexError, StopIteration, AttributeError, ValueError, ZeroDivisionError) as error:
            raise CheckpointNotLoaded(
                f"{self._path}: the {what} lacks tensors that every one has ({type(error).__name__}: {error})."
            ) from error

    def _check_all_used(self, what: str, tensors: Tensors, converted: Mapping[str, Tensor]) -> None:
        """Checks that the converter found a place for every tensor; it passes over those that it does not know."""
        used = {tensor.data_ptr() for tensor in converted.values()}
        copied = (".attn.in_proj_weight", ".attn.in_proj_bias", "text_projection")
        unused = [n for n, tensor in tensors.items() if tensor.data_ptr() not in used and not n.endswith(copied)]
        if unused:
            raise CheckpointNotLoaded(
                f"{self._path}: the {what} has {len(unused)} tensors too many: {_listed(unused)}. "
                f"Expected a plain {self._family.name} checkpoint."
            )

    def _filled(self, what: str, make: Callable[[], Any], tensors: Mapping[str, Tensor], dtype: torch.dtype) -> Any:
        with init_empty_weights(include_buffers=False):
            part = make()
        expected = {name: tuple(tensor.shape) for name, tensor in part.state_dict().items()}
        missing = [name for name in expected if name not in tensors]
        if missing:
            raise CheckpointNotLoaded(f"{self._path}: the {what} lacks {len(missing)} tensors: {_listed(missing)}.")
        extra = [name for name in tensors if name not in expected]
        if extra:
            raise CheckpointNotLoaded(f"{self._path}: the {what} has {len(extra)} tensors too many: {_listed(extra)}.")
        for name, shape in expected.items():
            actual = tuple(tensors[name].shape)
            if actual != shape:
                raise CheckpointNotLoaded(
                    f"{self._path}: the {what}'s {name} is {list(actual)}; expected {list(shape)}."
                )
        part.load_state_dict({name: tensor.to(dtype) for name, tensor in tensors.items()}, assign=True)
        return part


def single_file_scheduler(info: CheckpointInfo) -> dict[str, Any]:
    """Returns the noise schedule, which is the same in all families but for what the UNet predicts, in diffusers'
    names."""
    return {
        "_class_name": "DDIMScheduler",
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
        "prediction_type": info.prediction_type,
        "rescale_betas_zero_snr": info.summary.zero_terminal_snr,
    }


def _shapes(tensors: Mapping[str, Tensor]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
