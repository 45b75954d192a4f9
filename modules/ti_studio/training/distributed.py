"""Several processes that share each step of a training, as `accelerate launch` or `torchrun` starts them.

Each computes its part of every batch. The sums are taken in the same order everywhere, so that all processes make the
very same step. The main process alone writes files and reports events.
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
"""How long a process waits for the others. They wait while the main one paints previews and writes files."""

Any_ = TypeVar("Any_")


class ProcessGroupBroken(StudioError):
    """Another process of the training has ended."""


class ProcessesDisagree(StudioError):
    """The processes of a training have different pictures, checkpoints or options."""


@dataclass(frozen=True)
class ProcessGroup:
    """The rank of this process and the number of processes; by default one process alone."""

    rank: int = 0
    size: int = 1

    @classmethod
    def present(cls) -> "ProcessGroup":
        """Joins the processes of a launcher, if it has started several; otherwise returns this process alone."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            state = PartialState()
        else:
            # By default, accelerate does not connect several processes without a GPU.
            state = PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)
        return cls(int(state.process_index), int(state.num_processes))

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and reports events."""
        return self.rank == 0

    def local_shard(self, count: int) -> slice:
        """Returns this process's part of `count` pictures. If there are too few for all, the last processes get none;
        the main one always has some."""
        return slice(-(-count * self.rank // self.size), -(-count * (self.rank + 1) // self.size))

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        """Replaces each tensor by its sum over all processes. All are float32, of any shape, on one device.

        Raises:
            ProcessGroupBroken: another process has ended.
        """
        if self.size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        gathered = [torch.empty_like(flat) for _ in range(self.size)]
        try:
            torch.distributed.all_gather(gathered, flat)
        except RuntimeError as error:
            raise _broken() from error
        total = gathered[0]
        for part in gathered[1:]:  # one after the other, so that every process rounds in the same way
            total = total + part
        for tensor, summed in zip(tensors, torch.split(total, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(summed.reshape(tensor.shape))

    def any(self, here: bool) -> bool:
        """Returns whether the value is true in any of the processes.

        Raises:
            ProcessGroupBroken: another process has ended.
        """
        return any(self.all_gather_object(here)) if self.size > 1 else here

    def all_gather_object(self, value: Any_) -> list[Any_]:
        """Returns the values of all processes, in the order of their ranks.

        Raises:
            ProcessGroupBroken: another process has ended.
        """
        if self.size == 1:
            return [value]
        values: list[Any_] = [value] * self.size
        try:
            torch.distributed.all_gather_object(values, value)
        except RuntimeError as error:
            raise _broken() from error
        return values

    def check_same(self, notes: Mapping[str, str]) -> None:
        """Checks that all processes have the same notes: dataset, checkpoint, options.

        Raises:
            ProcessesDisagree: they have not; the message names the difference.
            ProcessGroupBroken: another process has ended.
        """
        all_notes = self.all_gather_object(notes)
        for rank, own in enumerate(all_notes):
            different = [name for name, note in own.items() if note != all_notes[0][name]]
            if different:
                raise ProcessesDisagree(
                    f"Process {rank} of the training does not have the same {' and '.join(different)} as process 0. "
                    "Every machine needs the same pictures, captions, checkpoint and options."
                )

    def destroy(self) -> None:
        """Leaves the process group."""
        if self.size > 1:
            PartialState().destroy_process_group()


def _broken() -> ProcessGroupBroken:
    return ProcessGroupBroken("Another process of this training has ended; its output says why. All end with it.")
