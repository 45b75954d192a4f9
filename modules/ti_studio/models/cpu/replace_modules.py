"""Puts other layers in the place of a loaded model's."""

from collections.abc import Callable

from torch import nn


def replace_layers(module: nn.Module, replacement: Callable[[nn.Module], nn.Module | None]) -> None:
    """Replaces each layer within a module for which there is a replacement, and looks into those that stay."""
    for name, child in module.named_children():
        replaced = replacement(child)
        if replaced is None:
            replace_layers(child, replacement)
        else:
            setattr(module, name, replaced)
