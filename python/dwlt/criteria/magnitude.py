"""The size of a weight (Han et al. 2015, arXiv 1506.02626, section 3)."""

from __future__ import annotations

from dwlt.criteria.base import Criterion, Given, Scores


def magnitude(given: Given) -> Scores:
    """|w|."""
    return {name: weight.detach().abs() for name, weight in given.weights.items()}


CRITERION = Criterion(magnitude)
