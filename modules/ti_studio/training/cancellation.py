"""How a training that is to stop gets out of what it is doing, such as encoding pictures or painting a preview."""

from collections.abc import Callable

Check = Callable[[], None]
"""Called between two small pieces of work; raises `StopWanted` where the training is to stop."""


class StopWanted(Exception):
    """Somebody asked for a stop. The training takes it, saves its state and says that it has stopped."""


def check_of(should_stop: Callable[[], bool]) -> Check:
    """Returns a check that raises `StopWanted` as soon as a stop is wanted."""

    def check() -> None:
        if should_stop():
            raise StopWanted

    return check


def go_on() -> None:
    """The check of who can't be stopped."""
