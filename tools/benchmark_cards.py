"""Measures the picker in a real browser, against a running server with a large library.

    python tools/large_library.py DATA/embeddings --count 10000
    python launch.py --data-dir DATA --ckpt-dir models/Stable-diffusion --no-browser &
    python tools/benchmark_cards.py http://127.0.0.1:7860/ --chromium /usr/bin/chromium

Wants the development requirements. Times are of this machine as busy as it is; the load is printed beside them.
"""

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

QUERIES = ("f", "fo", "fox", "amber fox", "ambre", "harbour owl", "zzzz", "moth-1")
OPENED = """
() => new Promise((resolve) => {
  const start = performance.now();
  const look = () => {
    const count = document.querySelectorAll('#ti_cards .ti-card').length;
    if (count) requestAnimationFrame(() => resolve([performance.now() - start, count]));
    else setTimeout(look, 1);
  };
  document.getElementById('ti_cards_button').click();
  look();
})
"""
SEARCHED = """
(query) => new Promise((resolve) => {
  const box = document.querySelector('#ti_cards input[type=search]');
  box.value = query;
  const start = performance.now();
  box.dispatchEvent(new Event('input', { bubbles: true }));
  const script = performance.now() - start;
  requestAnimationFrame(() => setTimeout(() => resolve([script, performance.now() - start])));
})
"""
SCROLLED = """
() => new Promise((resolve) => {
  const grid = document.querySelector('.ti-cards');
  const times = [];
  let most = 0;
  const step = (last) => requestAnimationFrame((now) => {
    times.push(now - last);
    most = Math.max(most, document.querySelectorAll('#ti_cards .ti-card').length);
    grid.scrollTop += 400;
    if (times.length < 120) step(now);
    else resolve([times.slice(1), most]);
  });
  step(performance.now());
})
"""


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--chromium", type=Path, default=None, help="the browser's program (default: Playwright's own)")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox", "--disable-gpu"])
        openings = [
            _measure(browser.new_page(viewport={"width": 1280, "height": 900}), options.url, number == 0)
            for number in range(options.rounds)
        ]
        browser.close()
    print(f"opening, milliseconds to the first cards: {_shown(openings)}")


def _measure(page: Page, url: str, thorough: bool) -> float:
    answers: list[Any] = []
    page.on("requestfinished", lambda request: answers.append(request) if "/ti/cards" in request.url else None)
    page.goto(url)
    page.wait_for_selector("#ti_cards input[type=search]", state="attached")
    page.wait_for_timeout(1500)
    opening, count = page.evaluate(OPENED)
    page.wait_for_function("!document.querySelector('#ti_cards .ti-note').textContent.endsWith('…')", timeout=60_000)
    if thorough:
        for request in answers:
            sizes = request.sizes()
            print(f"{request.url.partition('/ti/')[2]}: {sizes['responseBodySize']:,} bytes on the wire")
        print(f"cards in the page when opened: {count}")
        _search(page)
        times, most = page.evaluate(SCROLLED)
        print(f"scrolling: frame {_shown(times)} ms; at most {most} cards in the page")
    page.close()
    return float(opening)


def _search(page: Page) -> None:
    for query in QUERIES:
        times = [page.evaluate(SEARCHED, query) for _ in range(3)]
        found = page.text_content("#ti_cards .ti-note")
        script, frame = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"search {query!r}: {script:.0f} ms of script, shown after {frame:.0f} ms ({found})")
        time.sleep(0.2)
    page.evaluate(SEARCHED, "")


def _shown(times: list[float]) -> str:
    ordered = sorted(times)
    return f"median {statistics.median(ordered):.0f}, worst {ordered[-1]:.0f}"


if __name__ == "__main__":
    main()
