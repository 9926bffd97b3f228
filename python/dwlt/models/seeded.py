"""Construction under a seed that leaves the global generator as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws inside come from ``seed``; outside nothing changes.

    Only the CPU generator is concerned: models are built there. ``torch.manual_seed`` would also
    seed every GPU.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
