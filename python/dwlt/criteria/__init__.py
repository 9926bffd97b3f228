"""Criteria: a score for each prunable weight; the lowest go first. One file each.

Their names are in ``spec.criteria``, which a config can be checked with before PyTorch is there.
"""

from dwlt.criteria.base import Criterion, Given, Scores
from dwlt.plugins import Registry
from dwlt.spec.criteria import CRITERIA as _NAMES

CRITERIA: Registry[Criterion] = _NAMES
"""By the name that ``prune.criterion`` has."""

__all__ = ["CRITERIA", "Criterion", "Given", "Scores"]
