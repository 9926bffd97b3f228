"""One-shot pruning: train once, then cut to the sparsity of every round."""

from __future__ import annotations

from dwlt.stages.common import used_images
from dwlt.stages.methods.cut import cut
from dwlt.stages.methods.round import Rounds, RoundTicket

TRAINED = "trained.safetensors"
"""The weights whose scores decide."""


def oneshot(rounds: Rounds, round_: int) -> RoundTicket:
    """Keep the highest scores of one dense training; with 0 epochs, of the pre-trained network.

    The counts are those of ``imp`` at the same round, and the rounds are nested.
    """
    assert rounds.spec.train is not None
    before = rounds.masks(round_ - 1)
    if round_ > 1:
        rounds.load(TRAINED)
        return cut(rounds, round_, rounds.spec.criterion, whole=True).ticket(rounds.source.digest)
    start = rounds.rewind()
    outcome, training = rounds.train(round_, before, rounds.spec.train)
    rounds.save(TRAINED)
    found = cut(rounds, round_, rounds.spec.criterion, whole=True)
    search = rounds.training(0, start, outcome)
    ids = used_images(outcome, search.validation)
    files = [*training.files, *found.files, TRAINED]
    flags = outcome.flags + found.flags
    return RoundTicket(found.masks, rounds.source.digest, None, search, flags, files, ids)
