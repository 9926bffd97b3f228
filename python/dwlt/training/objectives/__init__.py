"""What each regime minimises: one file each, and the registry that names them."""

from __future__ import annotations

from dwlt.training.objectives.adversarial import Adversarial
from dwlt.training.objectives.base import Objective
from dwlt.training.objectives.fast import Fast
from dwlt.training.objectives.standard import Standard

OBJECTIVES: dict[str, type[Objective]] = {
    "standard": Standard,
    "fast": Fast,
    "adversarial": Adversarial,
}
"""By regime."""

__all__ = ["OBJECTIVES", "Objective"]
