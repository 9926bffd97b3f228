"""Construction under a seed that leaves the global generators as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from dwlt.models.guest import global_state_kept


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws inside come from ``seed``; outside nothing changes.

    Python's and NumPy's generators are seeded too: a user's factory may draw from them. Of
    PyTorch's only the CPU generator is, since models are built there; ``torch.manual_seed`` would
    also seed every GPU.
    """
    with global_state_kept():
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        yield
