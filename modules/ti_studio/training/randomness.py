"""Random numbers that depend on nothing but the seed and what they are for.

A step's draws do not depend on the draws before it, so a resumed training needs no generator state to go on exactly as
if it had not stopped.
"""

import hashlib

import torch


def seeded_generator(seed: int, purpose: str, number: int) -> torch.Generator:
    """Returns a CPU generator for one purpose and one number (a step, an epoch) of a seed."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{number}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def permutation(seed: int, epoch: int, count: int) -> list[int]:
    """Returns the order of an epoch: each of `count` pictures once."""
    order: list[int] = torch.randperm(count, generator=seeded_generator(seed, "order", epoch)).tolist()
    return order
