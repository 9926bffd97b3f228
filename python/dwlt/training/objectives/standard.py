"""Cross-entropy on clean images."""

from __future__ import annotations

from dwlt.training.objectives.base import Objective


class Standard(Objective):
    """Cross-entropy on clean images."""
