"""A short soak, and what large requests leave behind in a server that is a process of its own."""

import base64
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tools.soak import MOST_GROWTH, Soak, report, soak
from tools.soak_test.server import running

CLIENTS = 6
PICTURE_BYTES = 6_000_000


def test_many_clients_do_no_harm_to_a_server_and_its_training(tmp_path: Path) -> None:
    outcome = soak(Soak(minutes=0.3, clients=CLIENTS, steps=6), tmp_path)

    assert outcome.tally.wrong == []
    assert outcome.trainings > 0 and outcome.differing == 0, report(outcome)
    assert {kind for kind, _ in outcome.tally.answers} >= {"read", "paint", "look", "change", "upload", "broken"}


def test_the_memory_of_large_requests_comes_back(tmp_path: Path) -> None:
    body = {"image": base64.b64encode(os.urandom(PICTURE_BYTES)).decode()}

    with running(tmp_path) as server, httpx.Client(base_url=server.address, timeout=300) as http:

        def ask(number: int) -> int:
            if number % 3:
                return http.post("/sdapi/v1/png-info", json=body).status_code
            return http.post("/ti/txt2img", json={"prompt": "x" * 2_000_000}).status_code

        def memory_after(requests: int) -> int:
            with ThreadPoolExecutor(CLIENTS) as pool:
                assert set(pool.map(ask, range(requests))) == {413, 422}
            time.sleep(2)  # what is measured is what stays
            return server.memory.process.memory_info().rss

        once = memory_after(6)
        assert memory_after(60) < once * MOST_GROWTH
