"""Access control: every route requires the login, and other sites' pages are refused."""

import base64
import itertools
import re

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route

from tests.web.conftest import Client
from ti_studio.jobs.folder import JobFolder
from ti_studio.web.server.assets import Assets
from ti_studio.web.server.guard import BEFORE_LOGIN, SHIPPED_WITH_GRADIO

ACCOUNT = [("ann", "open:sesame")]


def basic(user: str, password: str) -> dict[str, str]:
    """Returns the header of HTTP Basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_no_route_of_the_studio_answers_without_the_login(client: Client) -> None:
    studio = client(auth=ACCOUNT)
    app = studio.app
    assert isinstance(app, FastAPI)
    specified = client().get("/ti/openapi.json").json()["paths"]
    routes = [(method, path) for path, methods in specified.items() for method in methods]
    routes += [("get", "/ti/openapi.json"), ("get", f"/ti/static/{Assets.shipped().version}/studio/main.js")]
    routes += [
        (method.lower(), route.path) for route in app.routes if isinstance(route, APIRoute) for method in route.methods
    ]
    assert len(routes) > 12
    for method, path in routes:
        assert studio.request(method, path).status_code == 401, (method, path)


def test_the_page_shows_only_its_login_without_the_login(client: Client) -> None:
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


def test_programs_log_in_by_http_basic(client: Client) -> None:
    studio = client(auth=ACCOUNT)
    assert studio.get("/ti/jobs", headers=basic("ann", "open:sesame")).status_code == 200
    wrong = [basic("ann", "wrong"), basic("ann", ""), basic("bob", ""), basic("", "")]
    wrong += [{"Authorization": "Basic %%%"}, {"Authorization": "Bearer x"}, {"Cookie": "access-token-unsecure-x=1"}]
    for headers in wrong:
        assert studio.get("/ti/jobs", headers=headers).status_code == 401, headers


def all_routes(app: FastAPI) -> set[tuple[str, str]]:
    """Returns every method and path of the server, including Gradio's, with 1 for each parameter."""
    studio = {(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods}
    gradio = {
        (method, route.path)
        for route in app.state.page.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    nested = {
        (method, f"{each.path}")
        for route in app.state.page.routes
        for each in getattr(getattr(route, "router", None), "routes", [])
        for method in getattr(each, "methods", None) or ()
    }
    more = {("POST", f"/gradio_api/{path}") for path in GRADIO_POSTS} | {
        ("GET", f"/gradio_api/{path}") for path in GRADIO_GETS
    }
    routes = studio | gradio | nested | more
    return {(method, re.sub(r"{[^}]*}", "1", path)) for method, path in routes if path}


GRADIO_POSTS = ("upload", "queue/join", "run/x", "api/x", "call/x", "cancel", "reset", "component_server", "stream/1")
GRADIO_GETS = ("app_id", "startup-events", "heartbeat/x", "info", "openapi.json", "queue/data", "token", "user")
OTHER_SITES: tuple[dict[str, str], ...] = (
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:9999"},
    {"Origin": "http://127.0.0.1:9999"},
    {"Origin": "https://127.0.0.1:7860.evil.example"},
    {"Origin": "http://127.0.0.1:7860@evil.example"},
    {"Origin": "http://["},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Origin": "http://localhost:9999"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:7860"},
)


def test_no_route_answers_another_sites_page(client: Client) -> None:
    studio = client()
    app = studio.app
    assert isinstance(app, FastAPI)
    routes = all_routes(app)
    assert len(routes) > 120 and ("POST", "/gradio_api/upload") in routes
    for (method, path), headers in itertools.product(sorted(routes), OTHER_SITES):
        answer = studio.request(method, path, headers=headers, follow_redirects=False)
        assert answer.status_code == 403, (method, path, headers)
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_preflight_requests_of_other_sites_are_refused(client: Client) -> None:
    studio = client()
    for headers, path in itertools.product(OTHER_SITES, ("/", "/gradio_api/upload", "/ti/jobs", "/sdapi/v1/txt2img")):
        preflight = {
            **headers,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-forwarded-host",
        }
        answer = studio.options(path, headers=preflight)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_other_sites_may_link_to_the_page_but_not_post_forms(client: Client) -> None:
    studio = client()
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert studio.get("/", headers=followed).status_code == 200
    assert studio.get("/", headers={"Referer": "http://evil.example/"}).status_code == 200
    for headers in (followed, {"Referer": "http://evil.example/"}, {"Referer": "http://127.0.0.1:9999/x"}):
        for path in ("/gradio_api/upload", "/login", "/ti/jobs"):
            sent = studio.post(path, headers=headers, files={"files": ("a.png", b"x")})
            assert sent.status_code == 403, (path, headers)
    same_origin = {"Referer": "http://127.0.0.1:7860/"}
    assert studio.post("/ti/txt2img/interrupt", headers=same_origin).status_code == 204


def test_the_page_works_behind_a_proxy_with_another_host_name(client: Client) -> None:
    studio = client(hosts=[])
    proxied = {"Origin": "http://studio.example", "X-Forwarded-Host": "studio.example"}
    assert studio.post("/ti/txt2img/interrupt", headers=proxied).status_code == 204
    assert studio.post("/ti/txt2img/interrupt", headers={**proxied, "Origin": "http://a.example"}).status_code == 403


def test_only_the_login_is_reachable_without_the_login(client: Client) -> None:
    studio = client(auth=ACCOUNT)
    app = studio.app
    assert isinstance(app, FastAPI)
    open_paths = set()
    for method, path in sorted(all_routes(app)):
        answer = studio.request(method, path, follow_redirects=False)
        if answer.status_code != 401:
            open_paths.add((method, path))
    shipped = {(method, path) for method, path in open_paths if path.startswith(SHIPPED_WITH_GRADIO)}
    expected = {("POST", path) for path in ("/login", "/login/")}
    expected |= {(method, path) for path in BEFORE_LOGIN for method in ("GET", "HEAD")}
    assert open_paths - shipped <= expected
    for name in GRADIO_GETS:
        assert studio.get(f"/gradio_api/{name}").status_code == 401, name
    assert studio.get("/openapi.json").status_code == 401
    assert "ti_prompt" not in studio.get("/").text
    for trick in ("/%3F/ti/jobs", "//ti/jobs", "/assets/../ti/jobs", "/ti/../ti/jobs", "/static/..%2f..%2fti/jobs"):
        answer = studio.get(trick)
        assert answer.status_code in (401, 403, 404), trick


def test_only_the_studios_own_page_may_post(client: Client, finished_job: JobFolder) -> None:
    studio = client()
    path = f"/ti/jobs/{finished_job.path.name}/stop"
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:7860"},
    ):
        assert studio.post(path, headers=headers).status_code == 403, headers
    for headers in (
        {},
        {"Origin": "http://127.0.0.1:7860"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://proxy.example"},
    ):
        assert studio.post(path, headers=headers).status_code == 409, headers  # accepted, but the job is over


def test_a_server_on_loopback_accepts_no_other_host_name(client: Client) -> None:
    studio = client()
    for host in ("evil.example", "evil.example:7860", "127.0.0.1.evil.example", "evil.example#127.0.0.1", "[::1", ""):
        assert studio.get("/ti/jobs", headers={"Host": host}).status_code == 400
        assert studio.get("/", headers={"Host": host}).status_code == 400
    for host in ("127.0.0.1:7860", "localhost:7860", "[::1]:7860"):
        assert studio.get("/ti/jobs", headers={"Host": host}).status_code == 200
    assert client(hosts=[]).get("/ti/jobs", headers={"Host": "studio.example"}).status_code == 200
