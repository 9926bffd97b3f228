"""Gradient attacks: geometry (the ball) apart from search (the steps).

``perturb`` makes training examples; ``search`` judges samples for an evaluation. Both leave the
model as they found it: parameters, gradients and each module's own training flag.
"""

from dwlt.attacks.geometry import BALLS, Ball, ball_around
from dwlt.attacks.guard import frozen, module_flags
from dwlt.attacks.noise import noise
from dwlt.attacks.search import SEARCHES, SearchResult, predicts, search, summed_cross_entropy
from dwlt.attacks.training import perturb

__all__ = [
    "BALLS",
    "SEARCHES",
    "Ball",
    "SearchResult",
    "ball_around",
    "frozen",
    "module_flags",
    "noise",
    "perturb",
    "predicts",
    "search",
    "summed_cross_entropy",
]
