"""What joins the WebUI and the studio. There is one for the WebUI's whole life: "Reload UI" meets the same again."""

from __future__ import annotations

import functools
import threading
from typing import Any, Protocol

from ti_studio_bridge.child import Child
from ti_studio_bridge.plan import OFF, Plan, Status
from ti_studio_bridge.serving import Serving


class WebUI(Protocol):
    """What the studio wants from the WebUI that it lives in."""

    def free_memory(self) -> bool:
        """Puts the loaded model out of the GPU's memory, as soon as no picture is being made; returns whether there
        was one."""

    def reload_embeddings(self) -> None:
        """Makes the next prompt know the files that are there now."""

    def checkpoints(self) -> dict[str, Any]:
        """Returns the checkpoints' `files`, and which is `chosen`."""


class Bridge:
    """Starts the studio, once, and answers it."""

    def __init__(self) -> None:
        """Starts nothing."""
        self._serving: Serving | None = None
        self._webui: WebUI | None = None
        self._plan: Plan | None = None
        self._lock = threading.Lock()

    def attach(self, webui: WebUI, plan: Plan, *, start: bool) -> None:
        """Takes the WebUI as it is after a start or Reload UI; a running studio goes on, unless the plan changed."""
        with self._lock:
            changed = self._plan is not None and self._plan != plan
            self._webui, self._plan = webui, plan
            running = self._serving is not None and self._serving.is_alive
        if start or (running and changed):
            self.start()

    def start(self) -> None:
        """Starts the studio, unless it runs by the present plan already."""
        with self._lock:
            if self._plan is None:
                return
            if self._serving is not None:
                if self._serving.is_alive and self._serving.plan == self._plan:
                    return
                self._serving.stop()
            self._serving = Serving(self._plan, self._answer, self._on_event)

    @property
    def status(self) -> Status:
        """Where it stands."""
        return self._serving.status if self._serving is not None else OFF

    @property
    def child(self) -> Child | None:
        """The running studio, if it takes requests."""
        child = self._serving.child if self._serving is not None else None
        return child if child is not None and child.is_listening else None

    def _answer(self, question: str) -> dict[str, Any]:
        webui = self._webui
        assert webui is not None
        try:
            if question == "checkpoints":
                return webui.checkpoints()
            if question == "free_memory":
                return {"freed": webui.free_memory()}
        except Exception as error:  # noqa: BLE001 - the WebUI's own code, of any version; the studio tells the user
            return {"problem": f"{type(error).__name__}: {error}"}
        return {"problem": f"the WebUI's extension does not know {question!r}"}

    def _on_event(self, event: str) -> None:
        if event == "embeddings" and self._webui is not None:
            self._webui.reload_embeddings()


@functools.cache
def the_bridge() -> Bridge:
    """Returns the process's bridge: this module stays imported when the WebUI runs its scripts again."""
    return Bridge()
