"""What each regime minimises: one file each, and the registry that names them."""

from __future__ import annotations

from dwlt.spec import TrainSpec
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


def objective_of(spec: TrainSpec) -> Objective:
    """The objective of a training's regime.

    Raises:
        UserError: there is no such regime.
    """
    return OBJECTIVES[spec.regime](spec)


__all__ = ["OBJECTIVES", "Objective", "objective_of"]
