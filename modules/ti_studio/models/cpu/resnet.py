"""The residual blocks of a frozen UNet on the CPU, which compute their norms once more rather than keep them."""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ti_studio.models.cpu.convolution import is_small
from ti_studio.models.cpu.replace_modules import replace_layers


class FrozenResnet(nn.Module):
    """diffusers' `ResnetBlock2D` with frozen weights."""

    def __init__(self, block: Any) -> None:
        """Takes over a block's layers."""
        super().__init__()
        self.norm1, self.conv1, self.time_emb_proj = block.norm1, block.conv1, block.time_emb_proj
        self.norm2, self.conv2, self.conv_shortcut = block.norm2, block.conv2, block.conv_shortcut
        self._without_gradients = block.forward

    @staticmethod
    def fits(block: nn.Module) -> bool:
        """Tells whether a module is such a block, of the kind that Stable Diffusion's UNets have."""
        return (
            type(block) is ResnetBlock2D
            and block.time_embedding_norm == "default"
            and isinstance(block.nonlinearity, nn.SiLU)
            and block.time_emb_proj is not None
            and not block.skip_time_act
            and block.upsample is block.downsample is None
            and block.output_scale_factor == 1
        )

    def forward(self, features: Tensor, embedded: Tensor) -> Tensor:
        """Returns features [n, channels, h, w] of features and the embedded timestep [n, width]."""
        if not torch.is_grad_enabled():
            plain: Tensor = self._without_gradients(features, embedded)
            return plain
        shift = self.time_emb_proj(F.silu(embedded))
        within = self.conv1(_activated(features, self.norm1))
        within += shift[:, :, None, None]
        output: Tensor = self.conv2(_activated(within, self.norm2))
        output += features if self.conv_shortcut is None else self.conv_shortcut(features)
        return output


def _activated(features: Tensor, norm: Any) -> Tensor:
    """Returns the SiLU of the normed features."""
    if is_small(features) or not features.requires_grad:
        return F.silu(torch.group_norm(features, norm.num_groups, norm.weight, norm.bias, norm.eps))
    output: Tensor = _Activated.apply(features, norm)  # type: ignore[no-untyped-call]
    return output


class _Activated(torch.autograd.Function):
    """Keeps its input alone."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, norm: Any) -> Tensor:
        ctx.save_for_backward(features)
        ctx.norm = norm
        return F.silu(_normed(features, norm)[0], inplace=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (features,) = ctx.saved_tensors
        normed, mean, rstd = _normed(features, ctx.norm)
        features = _dense(features)
        like: Any = torch.channels_last if not features.is_contiguous() else torch.contiguous_format
        gradient = gradient.contiguous(memory_format=like)
        back = torch.ops.aten.silu_backward.grad_input(gradient, normed, grad_input=normed)
        arguments: Any = (
            back,
            features,
            mean,
            rstd,
            ctx.norm.weight,
            *_sizes(features, ctx.norm),
            [True, False, False],
        )
        to_features: Tensor = torch.ops.aten.native_group_norm_backward(*arguments)[0]
        return to_features, None


def _normed(features: Tensor, norm: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the normed features, and each group's mean and inverse standard deviation."""
    features = _dense(features)
    arguments: Any = (features, norm.weight, norm.bias, *_sizes(features, norm), norm.eps)
    outputs: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.native_group_norm(*arguments)
    return outputs


def _sizes(features: Tensor, norm: Any) -> tuple[int, int, int, int]:
    n, channels, height, width = features.shape
    return n, channels, height * width, norm.num_groups


def _dense(features: Tensor) -> Tensor:
    """Returns features that lie in memory without gaps, channels first or last."""
    is_last = features.is_contiguous(memory_format=torch.channels_last)
    return features if is_last else features.contiguous()


def freeze_resnets(module: nn.Module) -> None:
    """Replaces the residual blocks within a module, whose weights must not learn any more."""
    replace_layers(module, lambda layer: FrozenResnet(layer) if FrozenResnet.fits(layer) else None)
