"""Events added up."""

import json
import threading
from pathlib import Path

import pytest

from ti_studio.jobs.progress import JobProgress


def write(path: Path, *events: dict[str, object]) -> None:
    with path.open("a") as file:
        for event in events:
            file.write(json.dumps({"at": 0.0, **event}) + "\n")


def step(number: int, loss: float, at: float = 0.0) -> dict[str, object]:
    values = {"learning_rate": 0.005, "grad_norm": 1.0, "vector_norm": 0.4}
    return {"event": "step", "step": number, "loss": loss, "at": at, **values}


def test_the_curve_grows_with_the_file(tmp_path: Path) -> None:
    progress = JobProgress(tmp_path / "events.jsonl")
    write(progress.events_path, {"event": "started", "step": 0}, step(1, 0.5))

    assert progress.follow().curve == [(1, 0.5, 0.005)]
    write(progress.events_path, step(2, 0.3))
    assert [point[0] for point in progress.follow().curve] == [1, 2]
    assert progress.smoothed == pytest.approx([0.5, 0.4])


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    progress = JobProgress(tmp_path / "events.jsonl")
    line = json.dumps(step(1, 0.5))
    progress.events_path.write_text(line[:20])

    assert progress.follow().step == 0
    progress.events_path.write_text(line + "\n")
    assert progress.follow().step == 1


def test_a_line_that_a_killed_process_left_is_passed_over(tmp_path: Path) -> None:
    progress = JobProgress(tmp_path / "events.jsonl")
    progress.events_path.write_text('{"event": "st\n')
    write(progress.events_path, step(1, 0.5))

    assert progress.follow().step == 1


def test_steps_that_are_made_again_after_a_resume_replace_those_before(tmp_path: Path) -> None:
    progress = JobProgress(tmp_path / "events.jsonl")
    write(progress.events_path, *(step(n, 0.5) for n in range(1, 6)))
    write(progress.events_path, {"event": "started", "step": 3}, step(4, 0.1))

    assert [point[0] for point in progress.follow().curve] == [1, 2, 3, 4]
    assert progress.step == 4


def test_validations_after_the_state_that_a_resume_goes_on_from_are_taken_back(tmp_path: Path) -> None:
    progress = JobProgress(tmp_path / "events.jsonl")
    validated = [{"event": "validated", "step": number, "loss": 1.0 - number / 10, "best": 0.5} for number in (0, 2, 4)]
    write(progress.events_path, *validated, {"event": "started", "step": 3})

    assert [made["step"] for made in progress.follow().validations] == [0, 2]
    write(progress.events_path, *validated[1:])
    assert [(made["step"], made["loss"]) for made in progress.follow().validations] == [(0, 1.0), (2, 0.8), (4, 0.6)]


def test_the_speed_is_that_of_the_last_steps(tmp_path: Path) -> None:
    progress = JobProgress(tmp_path / "events.jsonl")
    write(progress.events_path, *(step(n, 0.5, at=n * 0.5) for n in range(1, 100)))

    assert progress.follow().steps_per_second == pytest.approx(2.0)


def test_time_between_a_stop_and_a_resume_is_not_counted_as_work(tmp_path: Path) -> None:
    progress = JobProgress(tmp_path / "events.jsonl")
    write(progress.events_path, {"event": "preparing", "text": "", "at": 10.0}, {"event": "stopped", "at": 15.0})
    write(progress.events_path, {"event": "queued", "at": 500.0}, {"event": "preparing", "text": "", "at": 1000.0})
    write(progress.events_path, {"event": "finished", "step": 5, "path": "x", "at": 1002.0})

    assert progress.follow().elapsed(9999.0, alive=False) == pytest.approx(7.0)


def test_threads_that_follow_at_once_take_in_every_event_once(tmp_path: Path) -> None:
    progress = JobProgress(tmp_path / "events.jsonl")
    progress.events_path.touch()
    over = threading.Event()

    def follow() -> None:
        while not over.is_set():
            progress.follow()

    threads = [threading.Thread(target=follow) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 1001):
        write(progress.events_path, step(number, 1.0))
    over.set()
    for thread in threads:
        thread.join()
    assert [point[0] for point in progress.follow().curve] == list(range(1, 1001))
