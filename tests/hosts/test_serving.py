"""How the studio is kept running inside a host, with a tiny studio and a tiny installer; no host, no model."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ti_studio_bridge.bridge import Bridge
from ti_studio_bridge.plan import Plan, Status
from ti_studio_bridge.serving import Serving

SECONDS = 30
STUDIO = """
import json, os, sys
setup = json.loads(sys.stdin.readline())
tell = lambda **message: print(json.dumps(message), flush=True)
{before}
tell(listening=4242, modules="ti/static/0/studio/")
tell(ask="checkpoints", id=7)
answer = json.loads(sys.stdin.readline())
open(os.path.join(setup["data"], "answer.json"), "w").write(json.dumps([os.environ.get("TORCH_COMMAND"), answer]))
tell(event="embeddings")
sys.stdin.read()
"""


class WebUI:
    """A host that notes what it was asked for."""

    def __init__(self, *, has_device: bool = False) -> None:
        self.reloads = 0
        self.has_device = has_device

    def free_memory(self) -> bool:
        if not self.has_device:
            raise RuntimeError("there is no device")
        return True

    def reload_embeddings(self) -> None:
        self.reloads += 1

    def checkpoints(self) -> dict[str, object]:
        return {"files": ["a", "b"], "chosen": "b"}


@pytest.fixture
def extension(tmp_path: Path) -> Callable[..., Plan]:
    """Makes an extension's folder: `extension(install="raise SystemExit(1)")`; its environment is this one's Python."""

    def make(*, install: str = "", before: str = "", environment: str = sys.prefix) -> Plan:
        package = tmp_path / "modules" / "ti_studio"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(STUDIO.format(before=before), encoding="utf-8")
        (tmp_path / "install.py").write_text(install, encoding="utf-8")
        return Plan(tmp_path, tmp_path / "embeddings", tmp_path / "checkpoints", environment=environment)

    return make


@pytest.fixture
def serve() -> Iterator[Callable[[Plan], Serving]]:
    """Serves by a plan."""
    started = []

    def start(plan: Plan) -> Serving:
        started.append(Serving(plan, lambda _: {}, lambda _: None))
        return started[-1]

    yield start
    for serving in started:
        serving.stop()


def wait_for(true: Callable[[], object]) -> None:
    """Waits for something that a thread or process does."""
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def settled(serving: Serving) -> Status:
    """Returns the status that lasts."""
    wait_for(lambda: serving.status.state not in ("installing", "starting"))
    return serving.status


def test_one_studio_serves_over_every_reload_and_a_changed_plan_starts_another(extension: Callable[..., Plan]) -> None:
    bridge, webui, plan = Bridge(), WebUI(), extension()
    bridge.attach(webui, plan, start=True)
    wait_for(lambda: bridge.child)
    first = bridge.child
    bridge.attach(webui, plan, start=True)
    assert bridge.child is first
    wait_for(lambda: webui.reloads == 1)
    assert json.loads((plan.folder / "answer.json").read_text())[1] == {"files": ["a", "b"], "chosen": "b", "id": 7}

    bridge.attach(webui, Plan(plan.folder, plan.embeddings, plan.checkpoints, sys.prefix, port=4243), start=False)
    wait_for(lambda: bridge.child)
    assert bridge.child is not first
    assert first is not None and first.wait(0) is not None
    bridge._serving.stop()  # type: ignore[union-attr]
    assert bridge.status.state == "off"


def test_what_the_host_can_not_do_is_an_answer_with_the_reason() -> None:
    bridge = Bridge()
    bridge.attach(WebUI(), Plan(Path(), Path(), Path()), start=False)

    assert bridge._answer("free_memory") == {"problem": "RuntimeError: there is no device"}

    bridge.attach(WebUI(has_device=True), Plan(Path(), Path(), Path()), start=False)
    assert bridge._answer("free_memory") == {"freed": True}


def test_the_installation_is_shown_and_its_failure_told_with_its_last_lines(
    extension: Callable[..., Plan], serve: Callable[[Plan], Serving]
) -> None:
    slow = "import time; print('Installing torch …', flush=True); time.sleep(60)"
    serving = serve(extension(install=slow, environment=""))
    wait_for(lambda: serving.status.log == ("Installing torch …",))
    assert serving.status.state == "installing"
    assert "nothing of the WebUI's is touched" in serving.status.text
    serving.stop()

    fails = "print('The disk is full: make room.'); raise SystemExit(1)"
    failed = settled(serve(extension(install=fails, environment="")))
    assert failed == Status("failed", "The studio's environment could not be made.", ("The disk is full: make room.",))


def test_a_studio_that_ends_all_the_time_is_given_up_with_what_it_said_last(
    extension: Callable[..., Plan], serve: Callable[[Plan], Serving]
) -> None:
    failed = settled(serve(extension(before="sys.exit('error: Port 7 is taken.')")))

    assert failed == Status(
        "failed", "The studio has ended 3 times, the last time with status 1.", ("error: Port 7 is taken.",)
    )


def test_the_webuis_own_torch_command_is_not_the_studios(
    extension: Callable[..., Plan], serve: Callable[[Plan], Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_COMMAND", "pip install torch==2.1.2")
    plan = extension()
    serve(plan)

    wait_for((plan.folder / "answer.json").is_file)
    wait_for((plan.folder / "answer.json").read_text)
    assert json.loads((plan.folder / "answer.json").read_text())[0] is None
