"""HYDRA: the scores of each round are trained, on weights that stay those of the pre-training."""

from __future__ import annotations

from dwlt.stages.methods.cut import cut
from dwlt.stages.methods.round import Rounds, RoundTicket


def hydra(rounds: Rounds, round_: int) -> RoundTicket:
    """Train scores for the round's number of weights, among those that the last round kept.

    See ``criteria.hydra``. No weight is trained, so a round has no validation score.
    """
    rounds.rewind()
    return cut(rounds, round_, "hydra").ticket(rounds.source.digest)
