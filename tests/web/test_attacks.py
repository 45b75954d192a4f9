"""What an attacker sends over a real socket: too much, too slowly, nested too deep, packed too well. Everything is
answered by a 4xx that says what was found, and the server goes on."""

import asyncio
import base64
import contextlib
import gc
import io
import json
import os
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ti_studio.web.server.bodies import BASE64_PICTURE_BYTES, STUDIO_BYTES, Bodies, Patience
from ti_studio.web.server.running import PromptHTTP
from ti_studio.web.server.services import Services
from ti_studio.web.server.uploads import Uploads

Serving = Callable[..., int]
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def port(serving: Serving) -> int:
    """Where the studio listens."""
    return serving()


@pytest.fixture
def asking(port: int) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
        yield client


def refused(answer: httpx.Response, status: int, says: str = "") -> None:
    assert answer.status_code == status, answer.text[:500]
    assert says in answer.json()["detail"]
    assert len(answer.content) < 5000


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.05)


def raw(port: int, request: bytes, *, wait: float = 60) -> bytes:
    """Returns all that is answered to bytes on a socket until it is closed or silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        connection.sendall(request)
        answer = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while part := connection.recv(65536):
                answer += part
        return answer


def endless(size: int) -> Iterator[bytes]:
    """Yields a body of no announced length."""
    for _ in range(size // 65536):
        yield b"x" * 65536


def test_a_body_that_is_announced_as_too_long_is_not_waited_for(port: int) -> None:
    head = b"POST /ti/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
    for announced in (b"120000000", b"9" * 20):
        answer = raw(port, head + b"Content-Length: " + announced + b"\r\n\r\n", wait=10)
        assert answer.startswith(b"HTTP/1.1 413") and b"expected at most 1,048,576" in answer, answer


def test_a_body_of_no_announced_length_is_not_read_to_its_end(asking: httpx.Client) -> None:
    for address in ("/ti/jobs", "/ti/txt2img", "/ti/prompts/tokens", "/sdapi/v1/txt2img", "/sdapi/v1/options"):
        refused(
            asking.post(address, content=endless(4 * STUDIO_BYTES), headers=JSON), 413, "has more than 1,048,576 bytes"
        )


def test_a_page_event_and_a_picture_may_be_longer_and_not_endless(asking: httpx.Client) -> None:
    refused(asking.post("/gradio_api/queue/join", content=endless(12 * STUDIO_BYTES), headers=JSON), 413)
    refused(asking.post("/gradio_api/run/x", content=endless(12 * STUDIO_BYTES), headers=JSON), 413)
    whole = json.dumps({"image": "A" * (BASE64_PICTURE_BYTES // 2)})
    refused(asking.post("/sdapi/v1/png-info", content=whole, headers=JSON), 422, "no picture")
    refused(asking.post("/sdapi/v1/png-info", content=endless(BASE64_PICTURE_BYTES + STUDIO_BYTES), headers=JSON), 413)


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("x" * 10_001, "has 10,001 characters; expected 10,000 at most"),
        ("a BREAK " * 500, "has 500 chunks of 75 tokens; expected 64 at most"),
        ("a AND " * 100 + "a", "joins 101 prompts by AND; expected 16 at most"),
        ("[" + "|".join(str(number) for number in range(150)) + "]" + " BREAK a" * 60, "over all steps; expected 512"),
    ],
)
def test_a_prompt_too_long_is_refused_before_anything_is_made_of_it(
    asking: httpx.Client, prompt: str, says: str
) -> None:
    plain = {"width": 64, "height": 64}
    refused(asking.post("/ti/txt2img", json={"prompt": prompt, "steps": 150, **plain}), 422, says)
    refused(asking.post("/sdapi/v1/txt2img", json={"prompt": prompt, "steps": 150, **plain}), 422, says)
    if "AND" not in prompt:
        refused(asking.post("/ti/txt2img", json={"negative_prompt": prompt, "steps": 150, **plain}), 422, says)


def test_a_long_prompt_is_painted_as_long_as_it_is_not_too_long(asking: httpx.Client) -> None:
    answer = asking.post(
        "/ti/txt2img", json={"prompt": "a red ball, " * 300, "steps": 1, "width": 64, "height": 64}, timeout=300
    )
    assert answer.status_code == 200, answer.text
    counted = asking.post("/ti/prompts/tokens", json={"prompt": "a " * 4999}).json()
    assert counted["prompt"]["used"] == 4999


def test_json_that_is_made_to_harm_is_refused(asking: httpx.Client) -> None:
    nested = "[" * 500_000
    for body in (
        nested,
        '{"name":' * 100_000,
        '{"name": ' + "9" * 900_000 + "}",
        '{"name": 1e999999999}',
        '"\\ud800"',
        b"\xff\xfe" + b"{}".ljust(1000),
        b"{" + b'"a":1,' * 100_000 + b'"b":1}',
        json.dumps({"name": "x", "folders": [{"directory": ""}] * 50_000}),
        json.dumps({"name": "x", "optimizer_args": ["a=" + "(" * 900]}),
        json.dumps({"name": "x", "optimizer_args": ["a=" + "-" * 900 + "1"]}),
        json.dumps({"name": "x", **{f"unknown{number}": number for number in range(40_000)}}),
        json.dumps({"name": "x", "class_tokens" * 5000: ["y" * 100_000]}),
        json.dumps({"name": "x", "description": "z" * 900_000, "caption_prefix": "z" * 900_000})[:1_000_000],
    ):
        for address in ("/ti/jobs", "/sdapi/v1/train/embedding", "/ti/tools/merge"):
            answer = asking.post(address, content=body, headers=JSON)
            assert answer.status_code in (400, 422), (address, body[:40], answer.text[:300])
            assert len(answer.content) < 5000
    for address in ("/gradio_api/queue/join", "/gradio_api/run/x", "/gradio_api/cancel"):
        assert 400 <= asking.post(address, content=nested, headers=JSON).status_code < 500


def png(width: int, height: int, *chunks: bytes, pixels: bytes = b"") -> bytes:
    """Returns a PNG that says it has these pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(pixels, 9)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(content)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_pictures_that_are_made_to_harm_are_refused(asking: httpx.Client, add_embedding: Callable[..., Path]) -> None:
    add_embedding("cat")
    identity = asking.get("/ti/embeddings").json()["embeddings"][0]["id"]
    bomb = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"\0" * 2**26, 9))
    information = PngInfo()
    for number in range(12):
        information.add_text(f"text{number}", "x" * 900_000)
    texts = io.BytesIO()
    Image.new("RGB", (8, 8)).save(texts, "PNG", pnginfo=information)
    for content in (
        png(50_000, 50_000),
        png(2**31 - 1, 2**31 - 1),
        png(8, 8, bomb),
        png(8, 8, *[bomb] * 20),
        texts.getvalue(),
        b"GIF89a" + b"\xff" * 1000,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) print quit\n",
        b"",
    ):
        answer = asking.post("/sdapi/v1/png-info", json={"image": base64.b64encode(content).decode()})
        assert answer.status_code in (200, 422) and len(answer.content) < 5000, answer.text[:300]
        if content != texts.getvalue():
            refused(asking.put(f"/ti/embeddings/{identity}/preview", content=content), 422)


def test_large_requests_wait_for_each_other(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of twelve large bodies, sent by eight clients, two are worked on at a time and all are answered."""

    class SerialExecutor(asyncio.Semaphore):
        inside = most = ended = 0

        async def acquire(self) -> bool:
            await super().acquire()
            SerialExecutor.inside += 1
            SerialExecutor.most = max(SerialExecutor.most, SerialExecutor.inside)
            return True

        def release(self) -> None:
            SerialExecutor.inside, SerialExecutor.ended = SerialExecutor.inside - 1, SerialExecutor.ended + 1
            super().release()

    begin = Bodies.__init__

    def counted(self: Bodies, *arguments: Any, **options: Any) -> None:
        begin(self, *arguments, **options)
        self._turns = SerialExecutor(self._turns._value)

    monkeypatch.setattr(Bodies, "__init__", counted)
    with httpx.Client(base_url=f"http://127.0.0.1:{serving()}", timeout=120) as client:
        body = json.dumps({"image": "A" * 8_000_000})

        def ask(_: int) -> int:
            return client.post("/sdapi/v1/png-info", content=body, headers=JSON).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, range(12))) == {422}
    wait_until(lambda: SerialExecutor.ended == 12)  # an answer is sent before its turn is given back
    assert SerialExecutor.inside == 0 and SerialExecutor.most == 2


def test_a_body_that_comes_drop_by_drop_is_not_waited_for(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Patience, "__init__", lambda self: object.__setattr__(self, "seconds", 0.5) or None)
    port = serving()
    head = b"POST /ti/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n{"
    answer = raw(port, head)
    assert answer.startswith(b"HTTP/1.1 408") and b"After 1 bytes the rest" in answer, answer
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(head)
        with contextlib.suppress(OSError):
            while b"HTTP/1.1 408" not in answer:
                connection.sendall(b" ")
                time.sleep(0.1)
    assert b" 200 " in raw(port, b"GET /ti/presets HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")


def test_headers_that_do_not_come_are_not_waited_for(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PromptHTTP, "patience", 0.5)
    port = serving()
    assert raw(port, b"") == b""
    assert raw(port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ") == b""
    silent = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(50)]
    assert b" 200 " in raw(port, b"GET /ti/presets HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    for connection in silent:
        assert connection.recv(1) == b""
        connection.close()


def test_requests_that_are_not_http_are_refused(port: int) -> None:
    host = b"Host: 127.0.0.1\r\n"
    for request in (
        b"GET / HTTP/1.1\r\n" + host + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + host + b"Content-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked, identity\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00" + b"\x00" * 500,
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n" + host + b"\r\n",
    ):
        assert raw(port, request).startswith(b"HTTP/1.1 400"), request[:80]


def test_nothing_in_a_name_becomes_a_header(asking: httpx.Client, add_embedding: Callable[..., Path]) -> None:
    add_embedding("cat")
    identity = asking.get("/ti/embeddings").json()["embeddings"][0]["id"]
    for name in ("a\r\nSet-Cookie: b=1", "a\nX: y", 'a"; filename="b', "\u2028x", "a\0b"):
        answer = asking.get(f"/ti/tools/embeddings/{identity}/file", params={"form": "safetensors", "name": name})
        assert answer.status_code in (200, 422)
        assert not {"set-cookie", "x"} & set(answer.headers)
        assert "\n" not in answer.headers.get("content-disposition", "")


@pytest.fixture
def uploading(services: Services, serving: Serving, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A server whose uploads may take three megabytes."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", "set back after the test")
    object.__setattr__(services, "uploads", Uploads.of(services.folders, 3 * 2**20))
    with httpx.Client(base_url=f"http://127.0.0.1:{serving()}", timeout=120) as client:
        yield client


def upload(client: httpx.Client, content: bytes, name: str = "a.png", **more: Any) -> httpx.Response:
    return client.post("/gradio_api/upload", files={"files": (name, content)}, **more)


def stored(services: Services) -> int:
    assert services.uploads is not None
    return sum(path.stat().st_size for path in services.uploads.folder.rglob("*") if path.is_file())


def test_uploads_fill_no_more_than_their_quota(uploading: httpx.Client, services: Services) -> None:
    assert upload(uploading, b"a" * 2**20).status_code == 200
    assert upload(uploading, b"b" * 2**20, "b.png").status_code == 200
    refused(upload(uploading, b"c" * 2 * 2**20, "c.png"), 413, "expected at most")
    assert stored(services) < 3 * 2**20


def test_uploads_that_are_old_make_room(uploading: httpx.Client, services: Services) -> None:
    assert services.uploads is not None
    (path,) = upload(uploading, b"a" * 2**21).json()
    os.utime(path, (time.time() - 3600,) * 2)
    assert upload(uploading, b"b" * 2**21, "b.png").status_code == 200
    assert not Path(path).exists()


# Gradio leaves the file of an upload that broke off to the garbage collector, which complains.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_what_an_aborted_upload_leaves_counts_and_goes(uploading: httpx.Client, services: Services) -> None:
    def broken() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        yield b"a" * 2**20
        raise ConnectionError

    with contextlib.suppress(ConnectionError):
        uploading.post(
            "/gradio_api/upload", content=broken(), headers={"Content-Type": "multipart/form-data; boundary=x"}
        )
    refused(upload(uploading, b"c" * 4 * 2**20, "c.png"), 413)
    assert stored(services) < 5 * 2**20
    assert upload(uploading, b"d" * 100, "d.png").status_code == 200

    def closed() -> bool:
        gc.collect()  # here, and not in another test
        return services.uploads is not None and not any(
            Path(file.path).is_relative_to(services.uploads.folder) for file in psutil.Process().open_files()
        )

    wait_until(closed)


def test_the_names_of_uploads_lead_nowhere(uploading: httpx.Client, services: Services, tmp_path: Path) -> None:
    assert services.uploads is not None
    for name in ("../../../evil.png", "..\\evil.png", "/etc/evil.png", "a\r\nX: y.png", ".", "..", "x" * 300):
        answer = upload(uploading, b"x", name)
        assert answer.status_code < 500, (name, answer.text)
        for path in answer.json() if answer.status_code == 200 else []:
            assert Path(path).resolve().is_relative_to(services.uploads.folder), (name, path)
    assert not list(tmp_path.rglob("evil.png")) or all(
        path.is_relative_to(services.uploads.folder) for path in tmp_path.rglob("evil.png")
    )
