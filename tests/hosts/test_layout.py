"""How the studio's tab lies in a host's page: one scroll bar, no room wasted, buttons that look like buttons."""

from collections.abc import Callable
from textwrap import indent
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.pages import SOON
from tests.hosts.environments import KINDS
from tests.hosts.host import Host
from tests.hosts.test_inside_a_host import open_tab, show_tab

WINDOWS = ((1400, 1000), (1000, 800), (420, 850))

ROOM = """() => {
  const frame = document.querySelector("#ti_studio_place iframe");
  const [at, below] = [frame, document.getElementById("footer")].map((part) => part.getBoundingClientRect());
  const inner = frame.contentDocument;
  const part = inner.getElementById("ti_tabs").getBoundingClientRect();
  return {
    left: at.left, right: innerWidth - at.right, gap: below.top - at.bottom, height: at.height, width: at.width,
    higher: document.documentElement.scrollHeight - innerHeight,
    wider: document.documentElement.scrollWidth - innerWidth,
    innerWider: inner.documentElement.scrollWidth - inner.documentElement.clientWidth,
    innerLeft: part.left, innerRight: inner.documentElement.clientWidth - part.right, innerTop: part.top,
    others: at.top + innerHeight - below.top,
  };
}"""
LOOKS = """button => {
  const { backgroundColor, backgroundImage, color, cursor } = getComputedStyle(button);
  return { backgroundColor, backgroundImage, color, cursor };
}"""


def fits(page: Page, width: int, height: int) -> None:
    """Looks at a window of this size as soon as the page has settled in it."""
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function(
        f"width => {{ const room = ({ROOM})(); return room.higher <= 0 && room.width === width; }}", arg=width
    )
    room: dict[str, Any] = page.evaluate(ROOM)

    assert room["higher"] <= 0 and room["wider"] <= 0 and room["innerWider"] <= 0, room
    assert abs(room["left"]) < 1 and abs(room["right"]) < 1, room
    assert 0 <= room["gap"] <= 20, room  # the host's own, between any two parts
    assert room["innerLeft"] <= 10 and room["innerRight"] <= 10, room
    assert room["height"] > height - room["others"] - 20, room


TELLS = """
import time
print("Collecting easel==1.0")
print("  Downloading easel-1.0-py3-none-any.whl.metadata (2 kB)")
print("Collecting brush (from easel)")
print("  Downloading brush-1.0-py3-none-any.whl.metadata (2 kB)")
print("Downloading easel-1.0-py3-none-any.whl (42.0 MB)")
print("Progress 21000000 of 42000000", flush=True)
time.sleep(600)
"""
"""An installer that has not come further."""
SD_NEXTS = """

def unload_model_weights(op="model"):
    pass
"""
"""In place of A1111's function of this name."""


def looks_like_a_button(button: Locator) -> None:
    """Fails for one that does not look like the host's own most important one."""
    assert button.evaluate(LOOKS) == button.page.locator("#txt2img_generate").evaluate(LOOKS)
    box = button.bounding_box()
    assert box is not None and box["height"] >= 28 and box["width"] >= 80


@pytest.mark.parametrize(("kind", "theme"), tuple(zip(KINDS, ("light", "dark"), strict=True)))
def test_the_tab_fills_the_hosts_page_without_a_second_scroll_bar_and_opens_at_train(
    kind: str, theme: str, make_host: Callable[..., Host], page: Page
) -> None:
    host = make_host(kind)
    host.start()
    host.wait_until_ready()

    studio = open_tab(page, f"{host.url}?__theme={theme}")
    expect(studio.get_by_role("tab", name="Train")).to_have_attribute("aria-selected", "true")
    expect(studio.locator("#ti_monitor")).to_contain_text("No training yet", timeout=SOON)
    assert ("dark" in (studio.locator("body").get_attribute("class") or "")) == (theme == "dark")
    for width, height in WINDOWS:
        fits(page, width, height)
    show_tab(page, "Settings")
    page.set_viewport_size({"width": 900, "height": 700})
    show_tab(page, "Textual Inversion Studio")
    fits(page, 900, 700)


@pytest.mark.parametrize(("kind", "theme"), tuple(zip(KINDS, ("light", "dark"), strict=True)))
def test_what_starts_the_studio_looks_like_a_button(
    kind: str, theme: str, make_host: Callable[..., Host], page: Page
) -> None:
    host = make_host(kind, ti_studio_environment="/no/such/environment", ti_studio_autostart=False)
    host.start()
    page.goto(f"{host.url}?__theme={theme}")
    show_tab(page, "Textual Inversion Studio")

    start = page.get_by_role("button", name="Start the studio")
    expect(start).to_be_visible(timeout=SOON)
    looks_like_a_button(start)
    start.click()
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_visible(timeout=SOON)
    looks_like_a_button(again)


def test_the_tab_tells_how_far_the_installation_is(make_host: Callable[..., Host], page: Page) -> None:
    host = make_host("a1111", ti_studio_environment="")
    (host.extension / "install.py").write_text(
        f"import os\nif 'PYTHONPATH' not in os.environ:\n{indent(TELLS, '    ')}"
    )
    host.start()
    page.goto(host.url)
    show_tab(page, "Textual Inversion Studio")

    place = page.locator("#ti_studio_place")
    expect(place).to_contain_text("Package 1 of 2 · easel: 21 of 42 MB · 21 MB downloaded · ", timeout=SOON)
    expect(place.locator("pre")).to_contain_text("Collecting brush")
    expect(place.locator("pre")).not_to_contain_text("JobProgress")
    expect(place).to_contain_text("nothing of the WebUI's is touched")


def test_sd_next_is_refused_in_one_sentence_and_left_alone(make_host: Callable[..., Host], page: Page) -> None:
    host = make_host("a1111")
    with (host.folder / "modules" / "sd_models.py").open("a", encoding="utf-8") as module:
        module.write(SD_NEXTS)
    host.start()
    page.goto(host.url)
    show_tab(page, "Textual Inversion Studio")

    expect(page.locator("#tab_ti_studio")).to_contain_text("does not run inside SD.Next yet", timeout=SOON)
    assert host.log.count("does not run inside SD.Next yet") == 1
    assert httpx.get(f"{host.url}ti-studio-bridge/status").status_code == 404
    assert not host.studios()
    show_tab(page, "Settings")
    expect(page.get_by_label("Port of the studio")).to_have_count(0)
