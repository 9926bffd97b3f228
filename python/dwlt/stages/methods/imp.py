"""Iterative pruning: train under the last mask, prune the lowest scores, rewind."""

from __future__ import annotations

from pathlib import Path

from dwlt.masks.tensors import apply_, to_bool_tensors
from dwlt.runs import layout
from dwlt.stages.common import used_images
from dwlt.stages.methods.cut import cut
from dwlt.stages.methods.round import Rounds, RoundTicket

REWOUND = "rewound.safetensors"
"""The weights of an early epoch that later rounds start from."""


def imp(rounds: Rounds, round_: int) -> RoundTicket:
    """Train from the weights that ``spec.rewind`` says; keep the highest scores of the rest."""
    spec = rounds.spec
    assert spec.train is not None
    before = rounds.masks(round_ - 1)
    early = spec.rewind if isinstance(spec.rewind, int) else None
    ended = _ended(round_ - 1)
    if round_ == 1 or spec.rewind == "pretrained":
        start = rounds.rewind()
    else:
        start = rounds.load(ended if early is None else REWOUND)

    def at_epoch(epoch: int) -> None:
        # Before the epoch's checkpoint is written: killed in between, the epoch is done again
        # and writes the same bytes.
        if round_ == 1 and epoch == early:
            rounds.save(REWOUND)

    outcome, training = rounds.train(round_, before, spec.train, at_epoch)
    found = cut(rounds, round_, spec.criterion)
    masks = found.masks
    search = rounds.training(round_ - 1, start, outcome)
    ids = used_images(outcome, search.validation)
    files = [*training.files, *found.files]
    if spec.rewind == "pretrained":
        weights, file = rounds.source.digest, None
    elif early is not None:
        file = REWOUND
        weights = rounds.bound(file)
        files = [*files, file] if round_ == 1 else files
    else:
        # Its own trained weights are what this round's ticket is made of.
        apply_(rounds.prunable(), to_bool_tensors(masks))
        file = _ended(round_)
        rounds.save(file)
        weights = rounds.bound(file)
        files = [*files, file]
    return RoundTicket(masks, weights, file, search, outcome.flags + found.flags, files, ids)


def _ended(round_: int) -> str:
    return str(Path(layout.round_name(round_)) / layout.MODEL)
