"""Stand-in hosts on the real old stacks, and a browser. Skipped, with the reason, where one of them can't be had."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import launch
from tests.conftest import draw_pictures
from tests.hosts import environments
from tests.hosts.front import front
from tests.hosts.host import Host

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("hosts")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of this folder."""
    yield from launch()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page; an error that one of its scripts did not catch fails the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, ignore_https_errors=True)
    page = context.new_page()
    uncaught: list[str] = []
    page.on("pageerror", lambda error: uncaught.append(str(error)))
    yield page
    context.close()
    assert not uncaught, f"the page's script failed: {uncaught}"


@pytest.fixture
def make_host(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Installs a host, not started: `make_host("forge", "--gradio-auth", "ann:secret", ti_studio_completion=True)`."""
    made: list[Host] = []

    def make(kind: str, *flags: str, **settings: object) -> Host:
        if not environments.is_there(kind):
            pytest.skip(os.environ.get(environments.PROBLEM) or environments.MISSING)
        host = Host(kind, tmp_path / kind, flags)
        host.install(**settings)
        made.append(host)
        return host

    yield make
    for host in made:
        host.end()
        print(host.log)  # noqa: T201 - pytest shows it when the test has failed


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, ...]:
    """The flags of a host with TLS, by a certificate that nobody vouches for."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs openssl")
    key, made = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    wanted = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", made]
    subprocess.run([program, "req", *wanted], capture_output=True, check=True)
    return ("--tls-keyfile", key, "--tls-certfile", made, "--disable-tls-verify")


@pytest.fixture
def address() -> Iterator[Callable[[Host], str]]:
    """Returns where a browser finds a host: behind a web server, if it has a `--subpath`."""
    with contextlib.ExitStack() as stack:
        yield lambda host: stack.enter_context(front(host.url, host.subpath)) if host.subpath else host.url


@pytest.fixture
def drawings(tmp_path: Path) -> Path:
    """A folder of three captioned pictures."""
    return draw_pictures(tmp_path / "drawings", ["red", "green", "blue"])
