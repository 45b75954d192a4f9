"""`/ti/jobs/{id}/…`: the request, the snapshots and the finished file of a training."""

from pathlib import Path

from tests.web.conftest import Client
from ti_studio.jobs.folder import JobFolder
from ti_studio.web.server.services import Services


def test_a_trainings_request_can_be_changed_and_submitted_again(client: Client, finished_job: JobFolder) -> None:
    studio = client()
    request = studio.get(f"/ti/jobs/{finished_job.path.name}/request").json()
    assert (request["name"], request["max_steps"]) == ("blue-cat", 3)
    answer = studio.post("/ti/jobs", json={**request, "name": "green-cat"})
    assert (answer.status_code, answer.json()["name"]) == (201, "green-cat")


def test_the_finished_file_is_the_trainings_own(client: Client, finished_job: JobFolder, services: Services) -> None:
    studio, address = client(), f"/ti/jobs/{finished_job.path.name}/embedding"
    assert studio.get(address).status_code == 404  # it was deleted
    (services.folders.embeddings / "blue-cat.safetensors").write_bytes(b"in the library")
    assert studio.get(address).content == b"in the library"
    (finished_job.path / "snapshots").mkdir()
    (finished_job.path / "snapshots" / "blue-cat.safetensors").write_bytes(b"its own")
    answer = studio.get(f"{address}?word=blue-cat")
    assert (answer.content, answer.headers["content-type"]) == (b"its own", "application/octet-stream")
    assert answer.headers["content-disposition"] == 'attachment; filename="blue-cat.safetensors"'
    refused = studio.get(f"{address}?word=dog")
    assert (refused.status_code, "'dog'; it made blue-cat" in refused.json()["detail"]) == (404, True)


def test_a_training_that_made_nothing_yet_has_no_file(client: Client, finished_job: JobFolder) -> None:
    lines = finished_job.events_path.read_bytes().splitlines(keepends=True)
    finished_job.events_path.write_bytes(b"".join(lines[:-1]))
    answer = client().get(f"/ti/jobs/{finished_job.path.name}/embedding")
    assert (answer.status_code, "it is queued" in answer.json()["detail"]) == (404, True)


def test_snapshots_are_sent_and_no_other_file(client: Client, finished_job: JobFolder, tmp_path: Path) -> None:
    studio, folder = client(), finished_job.path / "snapshots"
    folder.mkdir()
    (folder / "blue-cat-000500.safetensors").write_bytes(b"rows")
    (tmp_path / "secret.safetensors").write_bytes(b"secret")
    address = f"/ti/jobs/{finished_job.path.name}/snapshots"
    assert studio.get(f"{address}/blue-cat-000500.safetensors").content == b"rows"
    outside = ("../request.json", "..%2frequest.json", "..%2f..%2f..%2f..%2f..%2fsecret.safetensors", "%00.pt")
    for name in (*outside, "missing.safetensors", str(tmp_path / "secret.safetensors").replace("/", "%2f")):
        assert studio.get(f"{address}/{name}").status_code in (403, 404, 422), name
