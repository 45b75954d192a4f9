"""What waits inside the studio for ever is an error; what honestly takes long is not."""

import logging
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from ti_studio import watchdog
from ti_studio.watchdog import GivenUp, Turn, Watch, current_watch, long_work, sign_of_life, stack_log

BRIEF = 0.2
PATIENCE = 30.0


@pytest.fixture(autouse=True)
def brief_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for long."""
    monkeypatch.setattr(watchdog, "LIMIT_SECONDS", BRIEF)
    stack_log.cache_clear()


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """What does not happen before the test is over."""
    event = threading.Event()
    yield event
    event.set()


def wait_for_it(event: threading.Event) -> Callable[[], bool]:
    """Returns work that waits for an event, and is found in a stack by this name."""
    return lambda: event.wait(PATIENCE)


def test_what_waits_for_ever_is_an_error_and_the_log_shows_where_each_thread_stands(
    never: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    watch = Watch("POST /ti/jobs")

    with pytest.raises(GivenUp, match=r"has not answered within 0\.2 seconds"):
        watch.run(wait_for_it(never))
    assert watch.given_up
    assert "POST /ti/jobs has waited for 0.2 seconds and is given up" in caplog.text
    assert "in wait_for_it" not in caplog.text
    assert "return lambda: event.wait(PATIENCE)" in caplog.text


def test_many_that_are_given_up_after_each_other_write_their_stacks_once(
    never: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        with pytest.raises(GivenUp):
            Watch("a request").run(wait_for_it(never))

    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len([text for text in told if text.startswith("Thread MainThread stands here")]) == 1
    assert len([text for text in told if text.startswith("a request has waited")]) == 3


def test_work_is_done_in_its_callers_context_and_what_it_raises_is_raised() -> None:
    who: ContextVar[str] = ContextVar("who")
    who.set("ann")

    def fail() -> None:
        raise TimeoutError("of its own")

    assert Watch("a request").run(who.get) == "ann"
    with pytest.raises(TimeoutError, match="of its own"):
        Watch("a request").run(fail)


def test_long_work_is_not_counted_and_the_time_after_it_is(never: threading.Event) -> None:
    def work() -> str:
        with long_work():
            never.wait(4 * BRIEF)
        with long_work():
            never.wait(4 * BRIEF)
        return "done"

    def work_and_wait() -> None:
        work()
        never.wait(PATIENCE)

    assert Watch("a request").run(work) == "done"
    with pytest.raises(GivenUp):
        Watch("a request").run(work_and_wait)


def test_work_that_shows_signs_of_life_goes_on(never: threading.Event) -> None:
    def work() -> str:
        for _ in range(8):
            never.wait(BRIEF / 2)
            sign_of_life()
        return "done"

    assert Watch("a request").run(work) == "done"


def test_all_steps_of_a_generator_are_done_in_one_thread_which_ends_with_it() -> None:
    # A thread of its own for each step would have torch set up its own threads anew each time.
    def steps() -> Generator[int, None, None]:
        for _ in range(3):
            yield threading.get_ident()

    def named() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "the painting"]

    assert len(set(Watch("the painting").each(steps()))) == 1
    half = Watch("the painting").each(steps())
    next(half)
    half.close()  # type: ignore[attr-defined]
    for thread in named():
        thread.join(PATIENCE)
    assert named() == []


def test_where_nobody_waits_nothing_is_counted() -> None:
    assert current_watch() is None
    sign_of_life()
    with long_work():
        pass


def test_a_page_handler_inside_a_request_is_watched_over_by_itself_alone(never: threading.Event) -> None:
    outer, inner = Watch("the request"), Watch("the handler")

    def work() -> float:
        with long_work():
            never.wait(4 * BRIEF)
        return outer.left

    with outer.watching():
        assert inner.run(work) == BRIEF


def test_who_waits_for_a_turn_waits_while_the_other_one_works_and_not_behind_one_that_was_given_up(
    never: threading.Event,
) -> None:
    turn, taken, enough = Turn(), threading.Event(), threading.Event()

    def paint() -> None:
        with turn, long_work():
            taken.set()
            enough.wait(PATIENCE)

    def get_stuck() -> None:
        with turn:
            never.wait(PATIENCE)

    with ThreadPoolExecutor(2) as pool:
        painting = pool.submit(Watch("a painting").run, paint)
        assert taken.wait(PATIENCE)
        waiting = pool.submit(Watch("another").run, get_stuck)
        never.wait(4 * BRIEF)
        assert not waiting.done()
        enough.set()
        painting.result(PATIENCE)
        with pytest.raises(GivenUp, match="has not answered"):
            waiting.result(PATIENCE)

    assert not turn.acquire(blocking=False)
    with pytest.raises(GivenUp, match="was given up, because it did not go on"):
        Watch("a third").run(turn.acquire)
