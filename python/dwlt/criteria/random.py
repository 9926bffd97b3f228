"""Scores drawn at random: with densities of its own per layer (ERK, say), the usual baseline."""

from __future__ import annotations

import torch

from dwlt.criteria.base import Criterion, Given, Scores
from dwlt.units import derive_seed


def random(given: Given) -> Scores:
    """Uniform in [0, 1), a function of seed, name and place alone."""
    scores = {}
    for name, weight in given.weights.items():
        generator = torch.Generator().manual_seed(derive_seed(given.seed, "random", name))
        drawn = torch.rand(weight.shape, generator=generator, dtype=torch.float64)
        scores[name] = drawn.to(weight.device)
    return scores


CRITERION = Criterion(random)
