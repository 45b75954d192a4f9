"""A checkpoint's VAE, whose weights need not stay in memory while nobody uses them."""

from collections.abc import Callable
from typing import Any


class Autoencoder:
    """diffusers' `AutoencoderKL`: read at once, and read anew when it is used after it was put away.

    A training encodes its pictures before the first step and decodes previews now and then. In between, the 0.3 GiB of
    an SD 1.5 VAE would only add to a step's peak.
    """

    def __init__(self, read: Callable[[], Any]) -> None:
        self._read = read
        self._module: Any | None = read()
        self.config: Any = self._module.config
        """diffusers' configuration, which stays when the weights go."""

    @property
    def module(self) -> Any:
        """The `AutoencoderKL`, which is untyped.

        Raises:
            CheckpointNotLoaded: it was put away, and its file can no longer be read.
        """
        if self._module is None:
            self._module = self._read()
        return self._module

    def put_away(self) -> None:
        """Lets the weights go until they are used once more."""
        self._module = None
