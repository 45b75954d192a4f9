"""The memory of large requests is returned to the operating system."""

import asyncio
import json
import platform
import subprocess
import sys

import pytest
from starlette.types import Message, Receive, Scope, Send

from ti_studio.web.server.bodies import LARGE_BYTES, Bodies

FRAGMENTS = """
import json, threading
import psutil
from ti_studio.web.server.allocator import give_back, keep_few_arenas

keep_few_arenas()
fragments, barrier = [], threading.Barrier(8)

def work():
    blocks = [bytes(60_000) for _ in range(500)]
    barrier.wait()
    fragments.append([bytearray(200) for _ in range(2000)])
    del blocks

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
size = psutil.Process().memory_info
held = size().rss
give_back()
print(json.dumps([held, size().rss]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc holds on to what is free")
def test_memory_that_threads_have_freed_is_returned_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", FRAGMENTS], capture_output=True, text=True, check=True)
    held, left = json.loads(done.stdout)

    assert held - left > 50_000_000


def test_memory_is_returned_after_large_requests_only() -> None:
    large_sizes: list[int] = []

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def post(size: int) -> None:
        messages: list[Message] = [{"type": "http.request", "body": bytes(size), "more_body": False}]

        async def receive() -> Message:
            return messages.pop()

        async def send(_: Message) -> None:
            return

        scope = {"type": "http", "method": "POST", "path": "/sdapi/v1/png-info", "headers": []}
        await Bodies(app, after_large=lambda: large_sizes.append(size))(scope, receive, send)

    asyncio.run(post(1000))
    asyncio.run(post(LARGE_BYTES + 1))

    assert large_sizes == [LARGE_BYTES + 1]
