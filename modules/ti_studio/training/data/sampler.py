"""Which pictures come in which batch."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ti_studio.training.data.buckets import Size
from ti_studio.training.randomness import permutation, seeded_generator


@dataclass(frozen=True)
class BucketBatchSampler:
    """Pictures in shuffled rounds, in each round every picture as often as it is to be repeated. A batch holds pictures
    of one size only."""

    groups: tuple[tuple[int, ...], ...]
    """For each size the pictures' indices, an index as often as its picture is repeated."""
    batch_size: int
    seed: int

    @classmethod
    def of(cls, sizes: Sequence[Size], repeats: Sequence[int], batch_size: int, seed: int) -> "BucketBatchSampler":
        """Makes the order of pictures of these sizes."""
        by_size: dict[Size, list[int]] = defaultdict(list)
        for index, (size, times) in enumerate(zip(sizes, repeats, strict=True)):
            if times:
                by_size[size] += [index] * times
        return cls(tuple(tuple(by_size[size]) for size in sorted(by_size)), batch_size, seed)

    @property
    def batches_in_round(self) -> int:
        """Returns how many batches a round takes; the last of a size may be smaller than the others."""
        return sum(-(-len(group) // self.batch_size) for group in self.groups)

    def batch(self, number: int) -> list[int]:
        """Returns the pictures of a batch, counted from 0. Depends on nothing but the seed and the number.

        With one size only, all batches are full: a batch may take the end of one round and the beginning of the next.
        """
        if len(self.groups) == 1:
            group = self.groups[0]
            positions = range(number * self.batch_size, (number + 1) * self.batch_size)
            rounds = {
                turn: permutation(self.seed, turn, len(group))
                for turn in {position // len(group) for position in positions}
            }
            return [group[rounds[position // len(group)][position % len(group)]] for position in positions]
        turn, place = divmod(number, self.batches_in_round)
        return self._round(turn)[place]

    def _round(self, turn: int) -> list[list[int]]:
        batches: list[list[int]] = []
        for which, group in enumerate(self.groups):
            generator = seeded_generator(self.seed, f"order of size {which}", turn)
            mixed = [group[index] for index in torch.randperm(len(group), generator=generator).tolist()]
            batches += [mixed[start : start + self.batch_size] for start in range(0, len(mixed), self.batch_size)]
        generator = seeded_generator(self.seed, "order of batches", turn)
        return [batches[index] for index in torch.randperm(len(batches), generator=generator).tolist()]
