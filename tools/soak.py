"""Lets many clients ask a server for everything at once while it trains, well-meant, too large and broken, and checks
that nothing of it is left behind: no answer of 500 or more, the same memory at the end as at the beginning, and words
that are bit for bit those that are learned in peace.

    python -m tools.soak                               # 20 clients, 20 minutes
    python -m tools.soak --minutes 2 --clients 8

Needs the development requirements, some 2 GB of disk and no network; ends with 1 if something was wrong.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import safetensors.torch
import torch

from tools.soak_test.clients import PATIENCE, Client, Tally
from tools.soak_test.server import PICTURES, Soaked, running

WORD = "soaked"
MOST_GROWTH = 1.10
SETTLING_SECONDS = 10.0
TRAINING_SECONDS = 900
MEGABYTE = 1024**2

Rows = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Soak:
    """How long, how hard."""

    minutes: float = 20.0
    clients: int = 20
    steps: int = 60
    """Of each training."""


@dataclass(frozen=True)
class Outcome:
    """What was found."""

    tally: Tally
    before: int
    """Bytes of the server's memory, trainings left out, when the clients had done everything for a while."""
    after: int
    """The same at their end."""
    trainings: int
    differing: int
    """Trainings whose word is another one than the one that was learned in peace."""

    @property
    def faults(self) -> Iterator[str]:
        """Sentences on what was wrong."""
        yield from self.tally.wrong[:20]
        if self.after > self.before * MOST_GROWTH:
            yield f"The server's memory grew from {self.before // MEGABYTE} to {self.after // MEGABYTE} MB."
        if self.differing or not self.trainings:
            yield f"{self.differing} of {self.trainings} trainings learned another word than the one in peace."


def main() -> None:
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=Soak.minutes)
    parser.add_argument("--clients", type=int, default=Soak.clients)
    parser.add_argument("--steps", type=int, default=Soak.steps, help="of each training (default: %(default)s)")
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        outcome = soak(Soak(**vars(parser.parse_args())), Path(folder))
    print(report(outcome))
    sys.exit(any(outcome.faults))


def soak(wanted: Soak, data: Path) -> Outcome:
    """Soaks a server in a folder of its own, and returns what was found."""
    tally = Tally()
    with running(data, "--upload-quota", "1") as server:
        peace = trained(server, wanted.steps)
        begin = time.monotonic()
        end = begin + wanted.minutes * 60
        clients = [
            threading.Thread(target=Client(server.address, number, tally).work, args=(end,))
            for number in range(wanted.clients)
        ]
        for client in clients:
            client.start()
        differing = []
        while time.monotonic() < end or not differing:
            differing.append(not alike(peace, trained(server, wanted.steps)))
        for client in clients:
            client.join()
        third = (end - begin) / 3
        before = server.memory.typical(begin + third, begin + 2 * third)
        time.sleep(SETTLING_SECONDS)
        after = server.memory.typical(end - third, time.monotonic())
        tally.wrong += unexpected_in(server.log)
    return Outcome(tally, before, after, len(differing), sum(differing))


def trained(server: Soaked, steps: int) -> Rows:
    """Trains the word once more and returns it.

    Raises:
        RuntimeError: the training fails.
    """
    wanted = {"name": WORD, "dataset_directory": str(PICTURES), "overwrite": True, "max_steps": steps, "seed": 5}
    wanted |= {"preview_every": steps // 2, "save_every": 0, "batch_size": 2}
    with httpx.Client(base_url=server.address, timeout=PATIENCE) as http:
        job = told(http.post("/ti/jobs", json=wanted))["id"]
        until = time.monotonic() + TRAINING_SECONDS
        while (status := told(http.get(f"/ti/jobs/{job}"))["job"])["status"] != "finished":
            if status["status"] in ("failed", "crashed", "stopped") or time.monotonic() > until:
                raise RuntimeError(f"The training did not finish: {status}")
            time.sleep(0.5)
        rows: Rows = safetensors.torch.load(http.get(f"/ti/jobs/{job}/embedding").content)
        told(http.delete(f"/ti/jobs/{job}?confirm=true"))
    return rows


def told(answer: httpx.Response) -> dict[str, Any]:
    """Returns what an answer says.

    Raises:
        RuntimeError: it is an error.
    """
    if not answer.is_success:
        raise RuntimeError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:500]}")
    said: dict[str, Any] = answer.json() if answer.content else {}
    return said


def alike(one: Rows, other: Rows) -> bool:
    """Tells whether two words are the same, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def unexpected_in(log: Path) -> list[str]:
    """Returns the ends of the tracebacks in the server's log."""
    lines = log.read_text(errors="replace").splitlines()
    return [f"In the log: {line}" for line in lines if line.startswith(("Traceback", "ERROR"))]


def report(outcome: Outcome) -> str:
    """Returns the outcome as text."""
    rows = [f"{kind:14} {status}  {count:7,}" for (kind, status), count in sorted(outcome.tally.answers.items())]
    memory = f"Memory of the server: {outcome.before // MEGABYTE} MB, then {outcome.after // MEGABYTE} MB."
    words = f"Trainings meanwhile: {outcome.trainings}, {outcome.differing} of them with another word."
    return "\n".join([*rows, memory, words, *(list(outcome.faults) or ["Nothing was wrong."])])


if __name__ == "__main__":
    main()
