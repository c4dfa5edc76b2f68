"""Random generators that depend on what they are for, and on nothing else."""

import hashlib

import torch


def draw(seed: int, purpose: str, index: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator that depends on the seed, the purpose and the index only, so that a resumed run draws alike.

    Example:
        >>> torch.equal(torch.rand(2, generator=draw(0, "a", 1)), torch.rand(2, generator=draw(0, "a", 1)))
        True
    """
    digest = hashlib.blake2b(f"{seed}/{purpose}/{index}".encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)
