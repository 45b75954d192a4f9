"""`/ti/jobs/{id}/events`: as JSON, and as a stream that goes on where it broke off and ends with the training."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.web.conftest import Client
from ti_studio.jobs.event_log import EventLog
from ti_studio.jobs.folder import JobFolder
from ti_studio.web.server.services import Services


def messages(text: str) -> list[dict[str, Any]]:
    """The messages of a stream: their data, with the id that the stream gave them."""
    fields = (dict(line.split(": ", 1) for line in block.splitlines()) for block in text.split("\n\n") if block)
    return [{**json.loads(each["data"]), "stream_id": each.get("id")} for each in fields if "data" in each]


def stream(studio: TestClient, job: str, **headers: str) -> list[dict[str, Any]]:
    """What a whole stream says."""
    answer = studio.get(
        f"/ti/jobs/{job}/events/stream", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    return messages(answer.text)


def test_events_are_listed_from_where_the_last_list_ended(client: Client, finished_job: JobFolder) -> None:
    studio, address = client(), f"/ti/jobs/{finished_job.path.name}/events"
    whole = studio.get(address).json()
    kinds = [event["event"] for event in whole["events"]]
    assert kinds == ["queued", "started", "step", "step", "step", "validated", "previewed", "finished"]
    assert [event["id"] for event in whole["events"]] == list(range(1, 9))
    assert (whole["last"], whole["ended"], whole["events"][3]["loss"]) == (8, True, None)  # a NaN is missing
    first = studio.get(f"{address}?limit=3").json()
    assert (len(first["events"]), first["last"], first["ended"]) == (3, 3, False)
    rest = studio.get(f"{address}?after={first['last']}").json()
    assert first["events"] + rest["events"] == whole["events"]
    assert studio.get(f"{address}?after=8").json() == {"events": [], "last": 8, "ended": True}
    assert studio.get("/ti/jobs/missing/events").status_code == 404


def test_a_stream_of_a_finished_training_ends_and_is_not_asked_for_again(
    client: Client, finished_job: JobFolder
) -> None:
    studio, job = client(), finished_job.path.name
    assert [each["id"] for each in stream(studio, job)] == list(range(1, 9))
    later = stream(studio, job, Last_Event_ID="6")
    assert [(each["event"], each["stream_id"]) for each in later] == [("previewed", "7"), ("finished", "8")]
    again = studio.get(f"/ti/jobs/{job}/events/stream", headers={"Last-Event-ID": "8"})
    assert (again.status_code, again.content) == (204, b"")
    assert studio.get("/ti/jobs/missing/events/stream").status_code == 404


def test_a_stream_goes_on_as_long_as_the_training_does(
    client: Client, services: Services, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.jobs, "tend", lambda: None)  # it waits, and is alive for as long as the test wants
    monkeypatch.setattr("ti_studio.web.routes.events.LOOKS_EVERY", 0.02)
    studio = client()
    job = studio.post("/ti/jobs", json={"name": "word", "dataset_directory": str(dataset)}).json()["id"]
    seen: list[dict[str, Any]] = []
    streaming = threading.Thread(target=lambda: seen.extend(stream(studio, job)))
    streaming.start()
    files = services.jobs.get(job).files
    for step in range(1, 4):
        files.append({"event": "preparing", "text": f"part {step}"})
    streaming.join(0.3)
    assert streaming.is_alive()
    studio.post(f"/ti/jobs/{job}/stop")
    streaming.join(20)
    assert [each["event"] for each in seen] == ["queued", *["preparing"] * 3, "stopped"]


def test_a_stream_tells_of_a_crash_which_the_training_could_not(client: Client, finished_job: JobFolder) -> None:
    studio, job = client(), finished_job.path.name
    lines = finished_job.events_path.read_bytes().splitlines(keepends=True)
    finished_job.events_path.write_bytes(b"".join(lines[:-1]))
    finished_job.write_json("worker.json", {"pid": 2**22 + 1, "started": 1.0})
    last = stream(studio, job)[-1]
    assert (last["event"], last["stream_id"]) == ("crashed", None)
    assert "ended unexpectedly" in last["reason"]


def test_an_unfinished_line_waits_for_its_rest_and_a_broken_one_keeps_its_number(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    assert log.read() == []
    path.write_bytes(b'{"event": "queued"}\n{"event": "ste')
    assert [each.number for each in log.read()] == [1]
    with path.open("ab") as file:
        file.write(b'\n{"event": "step", "step": 1}\n')
    assert [(each.number, each.event["event"]) for each in log.read()] == [(3, "step")]
    assert [each.number for each in EventLog(path, after=1).read(1)] == [3]
