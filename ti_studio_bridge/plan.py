"""What is to be served, and where that stands: two records that the other modules hand around."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PREFIX = "/ti-studio"
"""Where the WebUI shows the studio."""


@dataclass(frozen=True)
class Plan:
    """How the studio is to be started. An equal plan needs no new start."""

    folder: Path
    """The extension's folder: the code, and what the studio keeps."""
    embeddings: Path
    checkpoints: Path
    environment: str = ""
    """An environment that has what the studio needs; empty: one is made in `folder/.venv`."""
    port: int = 0
    subpath: str = ""
    """The part of the address before the WebUI's own, without slashes."""
    network: bool = False
    """Whether others than this machine reach the WebUI."""

    @property
    def root_path(self) -> str:
        """Where browsers find the studio."""
        return f"/{self.subpath}{PREFIX}" if self.subpath else PREFIX

    def setup(self, secret: str) -> dict[str, Any]:
        """Returns the first message to the child, which `ti_studio.web.server.host_channel.HostSetup` reads."""
        paths = {"data": str(self.folder), "embeddings": str(self.embeddings), "checkpoints": str(self.checkpoints)}
        return {"secret": secret, "port": self.port, "root_path": self.root_path, "network": self.network, **paths}


@dataclass(frozen=True)
class Status:
    """Where it stands, for the tab."""

    state: str
    """`off`, `installing`, `starting`, `ready` or `failed`."""
    text: str
    log: tuple[str, ...] = ()
    """The last lines of what the installation or the studio has written."""
    progress: str = ""
    """How far an installation is; empty at other times."""
    modules: str = ""
    """Where the studio's JavaScript is, below PREFIX; empty unless it is ready."""

    def as_json(self) -> dict[str, Any]:
        """Returns what the tab is sent."""
        return asdict(self)


OFF = Status("off", "The studio is not running.")
