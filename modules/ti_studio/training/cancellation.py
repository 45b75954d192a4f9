"""Cancellation: how a long piece of work, such as encoding pictures, ends early when a stop is requested."""

from collections.abc import Callable

Check = Callable[[], None]
"""Called between two small pieces of work; raises `StopWanted` when a stop is requested."""


class StopWanted(Exception):
    """A stop was requested. The training saves its state and ends with `Stopped`."""


def check_of(should_stop: Callable[[], bool]) -> Check:
    """Returns a check that raises `StopWanted` as soon as `should_stop` returns true."""

    def check() -> None:
        if should_stop():
            raise StopWanted

    return check


def go_on() -> None:
    """A check that never stops."""
