"""Who may ask: the login is in front of every route, and other sites' pages give no orders."""

import base64

from fastapi import FastAPI
from fastapi.routing import APIRoute

from tests.web.conftest import Client
from ti_studio.jobs.folder import JobFolder
from ti_studio.web.assets import Assets

ACCOUNT = [("ann", "open:sesame")]


def basic(user: str, password: str) -> dict[str, str]:
    """The header of HTTP Basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_no_route_of_ours_answers_without_the_login(client: Client) -> None:
    studio = client(auth=ACCOUNT)
    app = studio.app
    assert isinstance(app, FastAPI)
    specified = client().get("/ti/openapi.json").json()["paths"]
    asked = [(method, path) for path, methods in specified.items() for method in methods]
    asked += [("get", "/ti/openapi.json"), ("get", f"/ti/static/{Assets.shipped().version}/studio/main.js")]
    asked += [
        (method.lower(), route.path) for route in app.routes if isinstance(route, APIRoute) for method in route.methods
    ]
    assert len(asked) > 12
    for method, path in asked:
        assert studio.request(method, path).status_code == 401, (method, path)


def test_the_page_shows_nothing_but_its_login_without_it(client: Client) -> None:
    studio = client(auth=ACCOUNT)
    assert studio.get("/config").status_code == 401
    assert "ti_prompt" not in studio.get("/").text


def test_the_pages_login_opens_the_routes(client: Client) -> None:
    studio = client(auth=ACCOUNT)
    assert studio.post("/login", data={"username": "ann", "password": "wrong"}).status_code == 400
    assert studio.get("/ti/jobs").status_code == 401
    assert studio.post("/login", data={"username": "ann", "password": "open:sesame"}).status_code == 200
    assert studio.get("/ti/jobs").status_code == 200
    studio.get("/logout")
    assert studio.get("/ti/jobs").status_code == 401


def test_scripts_log_in_by_http_basic(client: Client) -> None:
    studio = client(auth=ACCOUNT)
    assert studio.get("/ti/jobs", headers=basic("ann", "open:sesame")).status_code == 200
    wrong = [basic("ann", "wrong"), basic("ann", ""), basic("bob", ""), basic("", "")]
    wrong += [{"Authorization": "Basic %%%"}, {"Authorization": "Bearer x"}, {"Cookie": "access-token-unsecure-x=1"}]
    for headers in wrong:
        assert studio.get("/ti/jobs", headers=headers).status_code == 401, headers


def test_only_the_own_page_gives_orders(client: Client, finished_job: JobFolder) -> None:
    studio = client()
    order = f"/ti/jobs/{finished_job.path.name}/stop"
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:7860"},
    ):
        assert studio.post(order, headers=headers).status_code == 403, headers
    for headers in (
        {},
        {"Origin": "http://127.0.0.1:7860"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://proxy.example"},
    ):
        assert studio.post(order, headers=headers).status_code == 409, headers  # it came through: the job is over


def test_a_server_on_loopback_answers_to_no_foreign_name(client: Client) -> None:
    studio = client()
    for host in ("evil.example", "evil.example:7860", "127.0.0.1.evil.example"):
        assert studio.get("/ti/jobs", headers={"Host": host}).status_code == 400
        assert studio.get("/", headers={"Host": host}).status_code == 400
    for host in ("127.0.0.1:7860", "localhost:7860", "[::1]:7860"):
        assert studio.get("/ti/jobs", headers={"Host": host}).status_code == 200
    assert client(hosts=[]).get("/ti/jobs", headers={"Host": "studio.example"}).status_code == 200
