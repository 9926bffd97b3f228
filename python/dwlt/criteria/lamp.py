"""Layer-adaptive magnitude (Lee et al. 2021, arXiv 2010.07611, equation 3), as the core has it."""

from __future__ import annotations

from dwlt.criteria.base import Criterion, Given, Scores
from dwlt.masks.tensors import lamp_scores


def lamp(given: Given) -> Scores:
    """w^2 over the sum of the squares of the weights of its layer that are no smaller."""
    return lamp_scores(given.weights, given.masks)


CRITERION = Criterion(lamp)
