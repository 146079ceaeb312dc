"""Randomness that depends only on (seed, step, purpose), so that a resumed run draws the same."""

import hashlib

import numpy as np


def derive(seed: int, step: int, purpose: str) -> int:
    """A 63-bit seed for one purpose at one step of one run."""
    digest = hashlib.blake2b(f"{seed}/{step}/{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def numpy_generator(seed: int, step: int, purpose: str) -> np.random.Generator:
    """A numpy generator for one purpose at one step."""
    return np.random.default_rng(derive(seed, step, purpose))
