"""Several single-threaded processes train one model: each takes its share of the batch, gradients are averaged.

On a small processor this is much faster than one process with several threads, because most layers here are too small
to be shared out. Start a trainer with `launch`, or by hand with `torchrun --nproc_per_node 2 -m ...`.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

QUIET_THREADS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
"""Waiting threads must sleep: spinning ones would take the other process's core."""


@dataclass(frozen=True)
class Team:
    """This process's place among those that train together."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """True in the one process that logs and saves."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces every gradient by its mean over the team; one message for all of them."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.size == 1 or not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def largest(self, value: float) -> float:
        """The largest of the team's values: what differs between clocks must not differ between processes."""
        if self.size == 1:
            return value
        box = torch.tensor([value], dtype=torch.float64)
        dist.all_reduce(box, op=dist.ReduceOp.MAX)
        return float(box)


def join_team() -> Team:
    """Joins the processes that torchrun started; a team of one where it did not start this process."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Team()
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    return Team(dist.get_rank(), size)


def leave_team(team: Team) -> None:
    """Waits for the others and ends the connection."""
    if team.size > 1:
        dist.barrier()
        dist.destroy_process_group()


def launch(module: str, arguments: Sequence[str], processes: int) -> None:
    """Runs `python -m module arguments` in that many processes and waits; raises CalledProcessError if one fails."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), "-m", module]
    subprocess.run([sys.executable, *torchrun, *arguments], env={**os.environ, **QUIET_THREADS}, check=True)


def flat_size(tensors: Iterable[Tensor]) -> int:
    """How many numbers the tensors hold together."""
    return sum(tensor.numel() for tensor in tensors)
