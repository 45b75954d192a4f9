"""Several processes that make each step of a training together, as `accelerate launch` or `torchrun` starts them.

Each computes its share of every batch. What they find is added up in the same order everywhere, so that all make the
very same step. The main one alone writes files and tells what happens.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed
from accelerate import PartialState
from torch import Tensor

from ti_studio.errors import StudioError

_PATIENCE = timedelta(hours=2)
"""How long a process waits for the others: the main one paints previews and saves while they wait."""

Any_ = TypeVar("Any_")


class ProcessGroupBroken(StudioError):
    """The processes of a training no longer work together."""


class ProcessesDisagree(StudioError):
    """The processes of a training have different things before them."""


@dataclass(frozen=True)
class ProcessGroup:
    """This process among those of a training; one that trains alone by default."""

    rank: int = 0
    size: int = 1

    @classmethod
    def present(cls) -> "ProcessGroup":
        """Joins the processes that a launcher has started, if it has started several."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            state = PartialState()
        else:
            # Without being told, accelerate takes several processes without a GPU for so many lonely ones.
            state = PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)
        return cls(int(state.process_index), int(state.num_processes))

    @property
    def is_main(self) -> bool:
        """Whether this process writes and tells."""
        return self.rank == 0

    def local_shard(self, count: int) -> slice:
        """Returns which of so many pictures are this process's. Where there are too few for all, the last processes get
        none; the main one always has some."""
        return slice(-(-count * self.rank // self.size), -(-count * (self.rank + 1) // self.size))

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        """Puts the sum over all processes into each tensor (float32, on one device).

        Raises:
            TeamBroken: another process has ended.
        """
        if self.size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        found = [torch.empty_like(flat) for _ in range(self.size)]
        try:
            torch.distributed.all_gather(found, flat)
        except RuntimeError as error:
            raise _broken() from error
        total = found[0]
        for part in found[1:]:  # one after the other, so that every process rounds in the same way
            total = total + part
        for tensor, summed in zip(tensors, torch.split(total, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(summed.reshape(tensor.shape))

    def any(self, here: bool) -> bool:
        """Returns whether it is true in any of the processes.

        Raises:
            TeamBroken: another process has ended.
        """
        return any(self.all_gather_object(here)) if self.size > 1 else here

    def all_gather_object(self, value: Any_) -> list[Any_]:
        """Returns what each process has, in the order of their ranks.

        Raises:
            TeamBroken: another process has ended.
        """
        if self.size == 1:
            return [value]
        found: list[Any_] = [value] * self.size
        try:
            torch.distributed.all_gather_object(found, value)
        except RuntimeError as error:
            raise _broken() from error
        return found

    def check_same(self, notes: Mapping[str, str]) -> None:
        """Checks that all processes are about to do the same.

        Raises:
            Disagreement: they are not; it says in what.
            TeamBroken: another process has ended.
        """
        found = self.all_gather_object(notes)
        for rank, noted in enumerate(found):
            other = [name for name, note in noted.items() if note != found[0][name]]
            if other:
                raise ProcessesDisagree(
                    f"Process {rank} of the training does not have the same {' and '.join(other)} as process 0. Every "
                    "machine needs the same pictures, captions, checkpoint and options."
                )

    def destroy(self) -> None:
        """Ends the connection to the others."""
        if self.size > 1:
            PartialState().destroy_process_group()


def _broken() -> ProcessGroupBroken:
    return ProcessGroupBroken("Another process of this training has ended; what it has told says why. All end with it.")
