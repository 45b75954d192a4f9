"""The transformers of a frozen UNet on the CPU: diffusers', with nothing in them but what computes."""

from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from ti_studio.models.cpu.attention import attention
from ti_studio.models.cpu.geglu import RecomputingGEGLU
from ti_studio.models.cpu.onednn_linear import linear
from ti_studio.models.cpu.replace_modules import replace_layers


class FrozenTransformer(nn.Module):
    """diffusers' `Transformer2DModel` with frozen weights."""

    def __init__(self, layer: Any) -> None:
        """Takes over its layers."""
        super().__init__()
        self.norm, self.proj_in, self.proj_out = layer.norm, layer.proj_in, layer.proj_out
        self.transformer_blocks = layer.transformer_blocks
        self.gradient_checkpointing = False
        """diffusers sets it, and the function that comes with it."""
        self._gradient_checkpointing_func: Any = None
        self._without_gradients = layer.forward

    @staticmethod
    def fits(layer: Any) -> bool:
        """Tells whether a module is such a transformer, of the kind that Stable Diffusion's UNets have."""
        if type(layer) is not Transformer2DModel or not layer.is_input_continuous:
            return False
        return all(_is_plain(block) for block in layer.transformer_blocks)

    def forward(
        self, hidden_states: Tensor, encoder_hidden_states: Tensor, return_dict: bool = False, **settings: Any
    ) -> tuple[Tensor]:
        """Returns features [n, channels, h, w] of features and the context [n, tokens, width]."""
        features, context = hidden_states, encoder_hidden_states
        if not torch.is_grad_enabled():
            plain: tuple[Tensor] = self._without_gradients(features, context, return_dict=False, **settings)
            return plain
        norm = self.norm
        normed = torch.group_norm(features, norm.num_groups, norm.weight, norm.bias, norm.eps)
        rows = _rows(self.proj_in, normed)
        for block in self.transformer_blocks:
            if self.gradient_checkpointing:
                rows = self._gradient_checkpointing_func(_through, block, rows, context)
            else:
                rows = _through(block, rows, context)
        return (features + _image(self.proj_out, rows, features),)


def _is_plain(block: Any) -> bool:
    return (
        type(block) is BasicTransformerBlock
        and block.norm_type == "layer_norm"
        and block.pos_embed is None
        and block.attn2 is not None
        and not block.only_cross_attention
        and isinstance(block.ff.net[0], RecomputingGEGLU)
    )


def _rows(layer: Any, features: Tensor) -> Tensor:
    """Returns features [n, channels, h, w] times the weight of a linear layer or a small convolution, as rows
    [n, positions, channels]."""
    weight, rows = layer.weight.flatten(1), features.flatten(2).transpose(1, 2)
    if rows.is_contiguous():
        return linear(rows, weight, layer.bias)
    return torch.baddbmm(layer.bias, rows, weight.t().expand(len(rows), -1, -1))


def _image(layer: Any, rows: Tensor, like: Tensor) -> Tensor:
    """Returns such rows times the weight as features that lie in memory as others of their size."""
    n, channels, height, width = like.shape
    weight = layer.weight.flatten(1)
    if like.is_contiguous():
        columns = torch.baddbmm(layer.bias[:, None], weight.expand(n, -1, -1), rows.transpose(1, 2))
        return columns.view(n, channels, height, width)
    return linear(rows, weight, layer.bias).view(n, height, width, channels).permute(0, 3, 1, 2)


def _through(block: Any, features: Tensor, context: Tensor) -> Tensor:
    """Returns features [n, positions, channels] of features and the context."""
    normed = _normed(block.norm1, features)
    features = features + _attended(block.attn1, normed, normed)
    features = features + _attended(block.attn2, _normed(block.norm2, features), context)
    gate, _, out = block.ff.net
    fed: Tensor = gate.into(out, _normed(block.norm3, features))
    return features + fed


def _normed(norm: Any, features: Tensor) -> Tensor:
    return torch.layer_norm(features, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def _attended(layer: Any, features: Tensor, context: Tensor) -> Tensor:
    """Returns what features find in the context, [n, positions, channels]."""
    query = _by_head(linear(features, layer.to_q.weight), layer.heads)
    key = _by_head(linear(context, layer.to_k.weight), layer.heads)
    value = _by_head(linear(context, layer.to_v.weight), layer.heads)
    out = layer.to_out[0]
    return linear(attention(query, key, value).transpose(1, 2).flatten(2), out.weight, out.bias)


def _by_head(tensor: Tensor, heads: int) -> Tensor:
    """Splits [n, positions, channels] into [n, heads, positions, width]."""
    return tensor.view(*tensor.shape[:2], heads, -1).transpose(1, 2)


def freeze_transformers(module: nn.Module) -> None:
    """Replaces the transformers within a module, whose weights must not learn any more."""
    replace_layers(module, lambda layer: FrozenTransformer(layer) if FrozenTransformer.fits(layer) else None)
