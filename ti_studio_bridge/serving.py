"""Keeps the studio running by one plan: makes its environment, starts it, and starts it again when it crashes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ti_studio_bridge.child import Answer, Child
from ti_studio_bridge.environment import Installation, last_lines, python_of
from ti_studio_bridge.plan import OFF, Plan, Status

LOOK_SECONDS = 0.2
CRASHES = 3
CRASHES_WITHIN_SECONDS = 60.0
INSTALLING = (
    "The studio makes an environment of its own in {folder}; nothing of the WebUI's is touched. "
    "The first time this takes some minutes."
)


class Serving:
    """A thread that serves until it is stopped or gives up."""

    def __init__(self, plan: Plan, answer: Answer, on_event: Callable[[str], None]) -> None:
        """Starts the thread; the arguments are Child's."""
        self.plan = plan
        self.child: Child | None = None
        self._answer = answer
        self._on_event = on_event
        self._status = Status("starting", "The studio is starting …")
        self._installation: Installation | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="ti-studio", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it serves or is about to."""
        return self._thread.is_alive() and not self._over.is_set()

    @property
    def status(self) -> Status:
        """Where it stands."""
        child, installation = self.child, self._installation
        if child is not None and child.is_listening:
            return Status("ready", "", modules=child.modules)
        if installation is not None:
            text = INSTALLING.format(folder=self.plan.folder / ".venv")
            return Status("installing", text, last_lines(installation.log), progress=installation.progress)
        return self._status

    def stop(self) -> None:
        """Ends the studio and whatever was under way for it; returns when it is gone."""
        self._over.set()
        self._thread.join()

    def _serve(self) -> None:
        try:
            if self._prepare():
                self._keep()
        except OSError as error:
            self._fail(f"The studio can't be started: {error}")
        if self._over.is_set():
            self._status = OFF

    def _prepare(self) -> bool:
        """Makes the environment, unless the user has named one; returns whether there is one."""
        if not self.plan.environment:
            installation = self._installation = Installation(self.plan)
            went_well = None
            while went_well is None and not self._over.is_set():
                went_well = installation.wait(LOOK_SECONDS)
            if self._over.is_set():
                installation.stop()
                return False
            self._installation = None
            if not went_well:
                return self._fail("The studio's environment could not be made.", last_lines(installation.log))
        python = python_of(self.plan)
        if not python.exists():
            return self._fail(
                f"There is no Python at {python}; expected an environment that has the studio's packages."
            )
        return True

    def _keep(self) -> None:
        """Runs the studio again whenever it ends by itself, unless it does so all the time."""
        ends: list[float] = []
        while not self._over.is_set():
            child = self.child = Child(self.plan, self._answer, self._on_event)
            status = None
            while status is None and not self._over.is_set():
                status = child.wait(LOOK_SECONDS)
            child.stop()
            if status is None:
                return
            now = time.monotonic()
            ends = [*(end for end in ends if now - end < CRASHES_WITHIN_SECONDS), now]
            if len(ends) >= CRASHES:
                self._fail(
                    f"The studio has ended {CRASHES} times, the last time with status {status}.", last_lines(child.log)
                )
                return
            self._status = Status("starting", "The studio has ended unexpectedly; it is starting again …")

    def _fail(self, text: str, log: tuple[str, ...] = ()) -> bool:
        self._installation = None
        self._status = Status("failed", text, log)
        print(f"Textual Inversion Studio: {text}", *log, sep="\n  ", flush=True)  # noqa: T201 - the WebUI's console
        return False
