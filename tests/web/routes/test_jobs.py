"""`/ti/jobs`: trainings as JSON."""

from pathlib import Path
from typing import Any

from tests.web.conftest import Client
from ti_studio.jobs.folder import JobFolder
from ti_studio.web.server.services import Services


def test_there_is_no_current_job_before_the_first(client: Client) -> None:
    assert client().get("/ti/jobs/current").json() == {"job": None, "curve": []}


def test_a_job_is_reported_with_its_curve_and_previews(client: Client, finished_job: JobFolder) -> None:
    report = client().get("/ti/jobs/current").json()
    job = report["job"]
    assert (job["id"], job["name"], job["status"], job["step"]) == (finished_job.path.name, "blue-cat", "finished", 3)
    assert (job["can_resume"], job["pictures"], job["checkpoint"]) == (False, 2, "demo")
    assert job["embedding"].endswith("blue-cat.safetensors")
    assert job["validations"] == [{"step": 2, "loss": 0.375}]
    assert [preview["url_name"] for preview in job["previews"]] == ["000003-0.png"]
    assert [(point["step"], point["loss"]) for point in report["curve"]] == [(1, 0.5), (2, None), (3, 0.25)]


def test_a_client_that_has_the_earlier_points_gets_the_later_ones(client: Client, finished_job: JobFolder) -> None:
    report = client().get(f"/ti/jobs/{finished_job.path.name}?after_step=2").json()
    assert [point["step"] for point in report["curve"]] == [3]


def test_a_preview_is_sent_and_no_other_file(client: Client, finished_job: JobFolder, tmp_path: Path) -> None:
    studio = client()
    previews = f"/ti/jobs/{finished_job.path.name}/previews"
    picture = studio.get(f"{previews}/000003-0.png")
    assert picture.content == (finished_job.path / "previews" / "000003-0.png").read_bytes()
    (tmp_path / "secret.png").write_bytes(picture.content)
    (finished_job.path / "previews" / "page.html").write_text("<script>")
    outside = ("../request.json", "..%2frequest.json", "..%2f..%2f..%2f..%2f..%2fsecret.png", "%2e%2e%2frequest.json")
    for name in (*outside, "page.html", "missing.png", "%00", str(tmp_path / "secret.png").replace("/", "%2f")):
        assert studio.get(f"{previews}/{name}").status_code in (403, 404, 422), name


def test_an_unknown_job_is_not_found(client: Client, finished_job: JobFolder) -> None:
    studio = client()
    for job_id in ("missing", "..", "..%2f..", ".lock", "%00"):
        for method, tail in (("GET", ""), ("POST", "/stop"), ("POST", "/resume"), ("DELETE", "")):
            assert studio.request(method, f"/ti/jobs/{job_id}{tail}").status_code in (404, 405), (job_id, method)
    assert finished_job.events_path.exists()


def test_what_a_finished_job_can_not_do_is_a_conflict(client: Client, finished_job: JobFolder) -> None:
    for order in ("stop", "resume"):
        answer = client().post(f"/ti/jobs/{finished_job.path.name}/{order}")
        assert (answer.status_code, "finished" in answer.json()["detail"]) == (409, True)


def test_a_removed_job_is_gone(client: Client, finished_job: JobFolder) -> None:
    studio = client()
    address = f"/ti/jobs/{finished_job.path.name}"
    refused = studio.delete(address)
    assert (refused.status_code, finished_job.path.exists()) == (409, True)
    assert "0 snapshots and 1 previews of 'blue-cat' would be deleted for good" in refused.json()["detail"]
    assert studio.delete(f"{address}?confirm=true").status_code == 204
    assert not finished_job.path.exists()
    assert studio.get("/ti/jobs").json() == []


WRONG: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"name": ""}, 422, "The name is empty"),
    ({"name": "a/b"}, 422, "a/b"),
    ({"vectors_per_token": 0}, 422, "Vectors per token: input should be greater than or equal to 1; found 0."),
    ({"vectors_per_token": 76}, 422, "found 76"),
    ({"learning_rate": "0.005:nope"}, 422, "at character 1: 'nope' is not a whole number of steps"),
    ({"dataset_directory": "/no/such/folder"}, 404, "There is no folder /no/such/folder"),
    ({"template": "missing.txt"}, 404, "missing.txt"),
    ({"checkpoint": "missing"}, 404, "There is no checkpoint 'missing'"),
    ({"optimizer": "sgdd"}, 422, "There is no optimizer 'sgdd'; expected adamw"),
    ({"min_timestep": 600, "max_timestep": 500}, 422, "min_timestep 600 is not below max_timestep 500"),
    ({"batch": 3}, 422, "Batch: extra inputs are not permitted; found 3."),
)


def test_a_request_that_can_not_work_is_refused_with_a_sentence_and_leaves_nothing(
    client: Client, services: Services, dataset: Path
) -> None:
    studio = client()
    for wrong, status, said in WRONG:
        answer = studio.post("/ti/jobs", json={"name": "word", "dataset_directory": str(dataset), **wrong})
        assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.json()
    assert services.jobs.list() == []


def test_a_job_is_started_and_a_second_one_waits_and_can_be_taken_back(client: Client, dataset: Path) -> None:
    studio = client()
    request = {"dataset_directory": str(dataset), "max_steps": 100_000}
    first = studio.post("/ti/jobs", json={"name": "first", **request})
    assert (first.status_code, first.json()["status"]) == (201, "running")
    second = studio.post("/ti/jobs", json={"name": "second", **request}).json()
    assert (second["status"], second["queue_position"]) == ("queued", 1)
    assert studio.post("/ti/jobs", json={"name": "FIRST", **request}).status_code == 409
    assert studio.post(f"/ti/jobs/{second['id']}/stop").json()["status"] == "stopped"
    assert studio.post(f"/ti/jobs/{first.json()['id']}/stop").json()["status"] == "stopping"
