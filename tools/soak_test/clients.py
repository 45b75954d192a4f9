"""What the clients of a soak do, one thing after the other, drawn at random: what people do, and what attackers do."""

import base64
import contextlib
import io
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
from PIL import Image

PATIENCE = 300.0
JSON = {"Content-Type": "application/json"}
READS = (
    *("/", "/config", "/ti/cards", "/ti/cards?limit=5000", "/ti/embeddings", "/ti/trash", "/ti/jobs", "/ti/presets"),
    *("/ti/jobs/current", "/ti/txt2img/progress", "/ti/tools/embeddings", "/ti/extensions", "/ti/openapi.json"),
    *("/sdapi/v1/progress", "/sdapi/v1/memory", "/sdapi/v1/options", "/sdapi/v1/sd-models", "/sdapi/v1/embeddings"),
    *("/gradio_api/info", "/gradio_api/app_id", "/favicon.ico", "/nothing/here", "/ti/nothing"),
)
PROMPTS = (
    *("a photo of soaked", "(a soaked:1.3) and [a:b:0.5]", "a red ball BREAK on grass", "a AND b:0.5 AND soaked"),
    *("[a|b|c] soaked, " * 20, "a " * 2000, "<embedding:soaked:0.8> x", "x" * 20_000, "a BREAK " * 500, "a AND " * 99),
)
BROKEN: tuple[tuple[str, str, bytes], ...] = (
    ("POST", "/ti/jobs", b'{"name": '),
    ("POST", "/ti/jobs", b"[" * 200_000),
    ("POST", "/ti/jobs", b'{"name": "x", "dataset_directory": "/proc/self"}'),
    ("POST", "/ti/jobs", b'{"name": "../x", "dataset_directory": "../../etc"}'),
    ("POST", "/ti/jobs", b'{"name": "x", "dataset_directory": "examples", "template": "/etc/passwd"}'),
    ("POST", "/ti/txt2img", b'{"prompt": 5}'),
    ("POST", "/ti/txt2img", b'{"prompt": "a", "sampler": "none"}'),
    ("POST", "/sdapi/v1/txt2img", b'{"override_settings": {"sd_model_checkpoint": "../x\\u0000"}}'),
    ("POST", "/sdapi/v1/png-info", b'{"image": "!!!"}'),
    ("POST", "/sdapi/v1/img2img", b"{}"),
    ("POST", "/gradio_api/queue/join", b"\xff"),
    ("POST", "/gradio_api/upload", b"no form"),
    ("PUT", "/ti/embeddings/0/preview", b"no picture"),
    ("DELETE", "/ti/jobs/..%2f..", b""),
    ("GET", "/gradio_api/file=/etc/passwd", b""),
    ("BREW", "/", b""),
)


@dataclass
class Tally:
    """What was answered to all clients."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """What must not be: a status of 500 or more, or no answer."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, kind: str, answer: httpx.Response) -> None:
        """Notes an answer."""
        with self._lock:
            self.answers[kind, answer.status_code] += 1
            if answer.status_code >= 500:  # noqa: PLR2004 - the server's own faults
                self.wrong.append(f"{kind}: {answer.request.method} {answer.request.url}: {answer.text[:500]}")

    def miss(self, kind: str, error: Exception) -> None:
        """Notes that there was no answer."""
        with self._lock:
            self.wrong.append(f"{kind}: {type(error).__name__}: {error}")


class Client:
    """One of many, with a will of its own that follows from its number."""

    def __init__(self, address: str, number: int, tally: Tally) -> None:
        """Asks nothing yet."""
        self._random = random.Random(number)
        self._address = address
        self._tally = tally
        self._http = httpx.Client(base_url=address, timeout=PATIENCE)
        self._actions: tuple[tuple[int, Callable[[], None]], ...] = (
            (8, self.read),
            (3, self.paint),
            (2, self.look_at_an_embedding),
            (2, self.change_an_embedding),
            (3, self.upload),
            (2, self.send_a_picture),
            (1, self.send_too_much),
            (3, self.send_what_is_broken),
            (1, self.hang_up),
            (1, self.come_from_another_site),
        )

    def work(self, until: float) -> None:
        """Does one thing after the other until a time of the monotonic clock."""
        weights = [weight for weight, _ in self._actions]
        with self._http:
            while time.monotonic() < until:
                (_, action) = self._random.choices(self._actions, weights)[0]
                try:
                    action()
                except httpx.TransportError as error:
                    self._tally.miss(action.__name__, error)

    def read(self) -> None:
        """Reads one of the lists, or the page."""
        self._take("read", self._http.get(self._random.choice(READS)))

    def paint(self) -> None:
        """Paints, with prompts of all kinds, some too long."""
        wanted = {"prompt": self._random.choice(PROMPTS), "steps": self._random.randint(1, 3), "seed": 1}
        wanted |= {"width": 64, "height": 64}
        address = self._random.choice(("/ti/txt2img", "/sdapi/v1/txt2img", "/ti/txt2img?save=true"))
        self._take("paint", self._http.post(address, json=wanted))
        self._take("read", self._http.post("/ti/prompts/tokens", json={"prompt": wanted["prompt"]}))

    def look_at_an_embedding(self) -> None:
        """Looks into one of the library's files."""
        for path in ("", "/preview", "/thumbnail", "/file"):
            self._take("look", self._http.get(f"/ti/embeddings/{self._some_id()}{path}"))
        form = self._random.choice(("safetensors", "pt", "png", "diffusers"))
        self._take("look", self._http.get(f"/ti/tools/embeddings/{self._some_id()}/file?form={form}"))

    def change_an_embedding(self) -> None:
        """Copies one, writes its card and preview, and deletes it."""
        name = f"copy-{self._random.randrange(10**9)}"
        made = self._http.post(f"/ti/embeddings/{self._some_id()}/duplicate", json={"name": name})
        self._take("change", made)
        if made.is_success:
            own = f"/ti/embeddings/{made.json()['id']}"
            self._take("change", self._http.patch(own, json={"description": "x" * 1000, "tags": ["a", "b"]}))
            self._take("change", self._http.put(f"{own}/preview", content=self._picture(200)))
            self._take("change", self._http.delete(own))
        if self._random.random() < 0.2:  # noqa: PLR2004 - now and then
            self._take("change", self._http.delete("/ti/trash"))

    def upload(self) -> None:
        """Uploads some pictures to the page."""
        files = [("files", (f"{number}.png", self._picture(300))) for number in range(self._random.randint(1, 4))]
        self._take("upload", self._http.post("/gradio_api/upload", files=files))

    def send_a_picture(self) -> None:
        """Sends a picture of some megabytes to be read."""
        image = base64.b64encode(self._picture(self._random.choice((100, 1000, 2000)))).decode()
        self._take("large", self._http.post("/sdapi/v1/png-info", json={"image": image}))

    def send_too_much(self) -> None:
        """Sends more than anything may have."""
        address = self._random.choice(("/ti/txt2img", "/sdapi/v1/txt2img", "/ti/jobs", "/gradio_api/queue/join"))
        if self._random.random() < 0.5:  # noqa: PLR2004 - half of them
            self._take("too much", self._http.post(address, content=_endless(24), headers=JSON))
        else:
            self._take("too much", self._http.post(address, json={"prompt": "x" * 2_000_000}))

    def send_what_is_broken(self) -> None:
        """Sends what no server should have to read."""
        method, address, body = self._random.choice(BROKEN)
        self._take("broken", self._http.request(method, address, content=body, headers=JSON))

    def hang_up(self) -> None:
        """Begins a request and goes."""
        where = urlsplit(self._address)
        head = f"POST /ti/txt2img HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 100000\r\n\r\n{{".encode()
        with contextlib.suppress(OSError), socket.create_connection((str(where.hostname), where.port or 80)) as open_:
            open_.sendall(head[: self._random.randrange(len(head))])

    def come_from_another_site(self) -> None:
        """Asks as another site's page would."""
        headers = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
        files = {"files": ("a.png", b"x" * 100_000)}
        self._take("another site", self._http.post("/gradio_api/upload", files=files, headers=headers))

    def _take(self, kind: str, answer: httpx.Response) -> None:
        self._tally.take(kind, answer)

    def _some_id(self) -> str:
        listed = self._http.get("/ti/embeddings")
        found = [each["id"] for each in listed.json()["embeddings"]] if listed.is_success else []
        return self._random.choice(found or ["0"])

    def _picture(self, side: int) -> bytes:
        """Returns a picture that can't be packed: its bytes are at random."""
        buffer = io.BytesIO()
        pixels = self._random.randbytes(side * side * 3)
        Image.frombytes("RGB", (side, side), pixels).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()


def _endless(megabytes: int) -> Iterator[bytes]:
    """Yields a body of no announced length."""
    yield json.dumps({"prompt": ""}).encode()[:-2]
    for _ in range(megabytes):
        yield b"x" * 2**20
