"""One-shot magnitude pruning: train once, then cut to the sparsity of every round."""

from __future__ import annotations

from dwlt.masks.tensors import magnitude_masks
from dwlt.stages.common import used_images
from dwlt.stages.methods.round import Rounds, RoundTicket

TRAINED = "trained.safetensors"
"""The weights whose magnitudes decide."""


def oneshot(rounds: Rounds, round_: int) -> RoundTicket:
    """Keep the largest weights of one dense training; with 0 epochs, of the pre-trained network.

    The counts are those of ``imp`` at the same round, and the rounds are nested.
    """
    assert rounds.spec.train is not None
    before = rounds.masks(round_ - 1)
    if round_ > 1:
        rounds.load(TRAINED)
        masks = magnitude_masks(rounds.prunable(), keep=rounds.keep(before), within=before)
        return RoundTicket(masks, rounds.source.digest)
    start = rounds.rewind()
    outcome, training = rounds.train(round_, before, rounds.spec.train)
    rounds.save(TRAINED)
    masks = magnitude_masks(rounds.prunable(), keep=rounds.keep(before), within=before)
    search = rounds.training(0, start, outcome)
    ids = used_images(outcome, search.validation)
    files = [*training.files, TRAINED]
    return RoundTicket(masks, rounds.source.digest, None, search, outcome.flags, files, ids)
