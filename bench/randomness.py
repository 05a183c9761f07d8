"""The global generators that plugins may draw from: torch's, numpy's and Python's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy
import torch


def seed_everything(seed: int) -> None:
    """Seed all three."""
    torch.manual_seed(seed)
    numpy.random.seed(seed % 2**32)
    random.seed(seed)


def state() -> tuple[bytes, str, str]:
    """A value that differs after any draw."""
    arrays = numpy.random.get_state(legacy=False)
    assert isinstance(arrays, dict)
    inner = arrays["state"]
    words = inner["key"].tobytes().hex() + str(inner["pos"]) + str(arrays["has_gauss"])
    return torch.get_rng_state().numpy().tobytes(), words, repr(random.getstate())


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed all three, on every device, for the block, and leave them as they were."""
    arrays, python = numpy.random.get_state(), random.getstate()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        seed_everything(seed)
        try:
            yield
        finally:
            numpy.random.set_state(arrays)
            random.setstate(python)
