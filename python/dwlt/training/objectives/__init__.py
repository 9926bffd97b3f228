"""What each regime minimises, one file each. Their names stand in ``dwlt.spec.regimes``."""

from __future__ import annotations

from dwlt.spec import OBJECTIVES, TrainSpec, split_awp
from dwlt.training.objectives.awp import WeightPerturbed
from dwlt.training.objectives.base import Objective


def objective_of(spec: TrainSpec) -> Objective:
    """The objective of a training, under adversarial weight perturbation where its name says so.

    Raises:
        UserError: there is no such regime, its package cannot be imported, or its settings do not
            fit it.
    """
    name, awp = split_awp(spec.regime)
    objective: Objective = OBJECTIVES.get(name)(spec)
    return WeightPerturbed(objective) if awp else objective


__all__ = ["Objective", "objective_of"]
