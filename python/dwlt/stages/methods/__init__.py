"""How tickets are made, one file per method (or pair of them), and the registry."""

from collections.abc import Mapping

from dwlt.spec import Method
from dwlt.stages.methods.drawn import layerwise_random, random, shuffled
from dwlt.stages.methods.hydra import hydra
from dwlt.stages.methods.imp import imp
from dwlt.stages.methods.oneshot import oneshot
from dwlt.stages.methods.reinit import reinit
from dwlt.stages.methods.round import RoundMaker, Rounds, RoundTicket

METHODS: Mapping[Method, RoundMaker] = {
    "imp": imp,
    "oneshot": oneshot,
    "hydra": hydra,
    "random": random,
    "layerwise-random": layerwise_random,
    "shuffled": shuffled,
    "reinit": reinit,
}

__all__ = ["METHODS", "RoundMaker", "RoundTicket", "Rounds"]
