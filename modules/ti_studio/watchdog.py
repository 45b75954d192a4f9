"""How long a request may wait inside the studio. What waits longer is given up with an error, never with silence.

A request is anything that somebody waits for: a REST route, a handler of the page. Its time is counted from its last
sign of life. Work that may honestly take long, or wait for another's, says so with `long_work` and is not counted;
loops over a person's files give a `sign_of_life` for each. What is given up is not ended, as no thread can be: its
answer is an error, and all threads' stacks go to the log.
"""

import contextlib
import functools
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, wait
from contextvars import ContextVar, copy_context
from functools import partial
from queue import SimpleQueue
from types import TracebackType
from typing import TypeVar, cast

from ti_studio.errors import StudioError

LIMIT_SECONDS = 60.0
"""Without a sign of life. Whatever asks another program has limits of its own."""
LOOK_SECONDS = 0.5
"""Between two looks of those who wait for their turn at whether the one who has it goes on."""
LEAST_SECONDS = 0.01
STACKS_EVERY_SECONDS = 60.0
"""Requests that are given up sooner after each other share their stacks, so that they don't fill the log."""

WAITED = (
    "The studio has not answered within {seconds:g} seconds, because it waits for something inside itself. What was "
    "asked for may be done later all the same. The studio's log shows where it waits; if this happens again, start the "
    "studio again."
)
STANDS_BEHIND = (
    "The studio can't begin with this: it would have to wait for something that was given up, because it did not go "
    "on. Start the studio again; its log shows where it waits."
)

Result = TypeVar("Result")
logger = logging.getLogger(__name__)
_current: ContextVar["Watch | None"] = ContextVar("watch", default=None)


class GivenUp(StudioError):
    """The studio has waited too long for something inside itself."""

    status = 504


class Watch:
    """One request: since when it has shown no sign of life, and whether it was given up."""

    def __init__(self, what: str) -> None:
        """Counts from now; `what` names the request in the log."""
        self.what = what
        self.given_up = False
        self._long = 0
        self._lived_at = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds until it is to be given up, at most `LIMIT_SECONDS`; 0: now."""
        if self._long:
            return LIMIT_SECONDS
        return max(0.0, self._lived_at + LIMIT_SECONDS - time.monotonic())

    def sign_of_life(self) -> None:
        """Starts counting anew."""
        self._lived_at = time.monotonic()

    @contextlib.contextmanager
    def long_work(self) -> Iterator[None]:
        """Does not count until the block ends."""
        self._long += 1
        try:
            yield
        finally:
            self.sign_of_life()
            self._long -= 1

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Makes it the one that what is called in the block gives its signs to; so do the threads and tasks of that."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def run(self, work: Callable[[], Result]) -> Result:
        """Calls `work` in a thread and returns what it returns.

        Raises:
            GivenUp: it shows no sign of life.
        """
        thread = _Thread(self.what)
        try:
            return self._result(thread, work)
        finally:
            thread.end()

    def each(self, steps: Generator[Result, None, None]) -> Iterator[Result]:
        """Yields what a generator yields, which runs in one thread for all of its steps; closes it at the end.

        Raises:
            GivenUp: a step shows no sign of life.
        """
        thread, end = _Thread(self.what), object()
        try:
            while (made := self._result(thread, partial(next, steps, end))) is not end:
                yield cast(Result, made)
                self.sign_of_life()
        finally:
            if not self.given_up:
                self._result(thread, steps.close)
            thread.end()

    def _result(self, thread: "_Thread", work: Callable[[], Result]) -> Result:
        with self.watching():
            outcome = thread.call(work)
        with long_work():  # whoever watches over the caller leaves it to this one
            while not wait([outcome], timeout=max(self.left, LEAST_SECONDS)).done:
                if not self.left:
                    raise self.give_up()
        return outcome.result()

    def give_up(self) -> GivenUp:
        """Notes that its answer is an error now, and returns that error; the log is told where all threads stand."""
        self.given_up = True
        logger.error("%s has waited for %g seconds and is given up", self.what, LIMIT_SECONDS)
        stack_log().tell()
        return GivenUp(WAITED.format(seconds=LIMIT_SECONDS))


def current_watch() -> Watch | None:
    """Returns the request that is being worked on here; None where nobody waits, as on the command line."""
    return _current.get()


def long_work() -> contextlib.AbstractContextManager[None]:
    """Says of a block that it may honestly take long: it paints, loads a checkpoint, or runs another program."""
    watch = _current.get()
    return contextlib.nullcontext() if watch is None else watch.long_work()


def sign_of_life() -> None:
    """Says that the work goes on."""
    watch = _current.get()
    if watch is not None:
        watch.sign_of_life()


class Turn:
    """A lock for long work. Whoever waits for it waits for as long as the one who has it goes on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: Watch | None = None

    def acquire(self, blocking: bool = True) -> bool:
        """Takes it; returns whether it could be taken, which it always could if `blocking`.

        Raises:
            GivenUp: the request that has it was given up.
        """
        with long_work():
            while not self._lock.acquire(timeout=LOOK_SECONDS if blocking else 0):
                holder = self._holder
                if not blocking:
                    return False
                if holder is not None and holder.given_up:
                    logger.error("What waits for %s is given up too", holder.what)
                    raise GivenUp(STANDS_BEHIND)
        self._holder = current_watch()
        return True

    def release(self) -> None:
        """Lets the next one take it."""
        self._holder = None
        self._lock.release()

    def __enter__(self) -> None:
        """Takes it."""
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Lets it go."""
        self.release()


class StackLog:
    """Writes all threads' stacks to the log, but not all the time."""

    def __init__(self) -> None:
        self._told_at = float("-inf")

    def tell(self) -> None:
        """Writes them, unless it has just done so."""
        now = time.monotonic()
        if now - self._told_at < STACKS_EVERY_SECONDS:
            return
        self._told_at = now
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for identity, frame in sys._current_frames().items():
            stack = "".join(traceback.format_stack(frame))
            logger.error("Thread %s stands here:\n%s", names.get(identity, identity), stack)


@functools.cache
def stack_log() -> StackLog:
    """Returns the process's: all requests write to one log."""
    return StackLog()


class _Thread:
    """Does one thing after the other."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def call(self, work: Callable[[], Result]) -> "Future[Result]":
        """Calls `work` in the present context."""
        outcome: Future[Result] = Future()
        context = copy_context()
        self._calls.put(lambda: _call(partial(context.run, work), outcome))
        return outcome

    def end(self) -> None:
        """Lets it end, after what it does now."""
        self._calls.put(None)

    def _serve(self) -> None:
        while (work := self._calls.get()) is not None:
            work()


def _call(work: Callable[[], Result], outcome: "Future[Result]") -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
        outcome.set_exception(error)
