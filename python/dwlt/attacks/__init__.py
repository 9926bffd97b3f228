"""Gradient attacks: geometry (the ball) apart from search (the steps).

``perturb`` makes training examples; ``search`` judges samples for an evaluation. Both leave the
model as they found it: parameters, gradients and each module's own training flag.
"""

from dwlt.attacks.geometry import BALLS, Ball, ball_around
from dwlt.attacks.guard import frozen, module_flags
from dwlt.attacks.noise import noise, normal
from dwlt.attacks.search import (
    SEARCHES,
    LossFn,
    SearchResult,
    input_gradient,
    predicts,
    search,
    summed_cross_entropy,
)
from dwlt.attacks.training import perturb

__all__ = [
    "BALLS",
    "SEARCHES",
    "Ball",
    "LossFn",
    "SearchResult",
    "ball_around",
    "frozen",
    "input_gradient",
    "module_flags",
    "noise",
    "normal",
    "perturb",
    "predicts",
    "search",
    "summed_cross_entropy",
]
