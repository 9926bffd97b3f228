"""Controls that draw their masks: from all weights, layer by layer, or like a ticket's layers."""

from __future__ import annotations

from dwlt import _core
from dwlt.masks.densities import erk_counts
from dwlt.stages.methods.round import Rounds, RoundTicket
from dwlt.units import derive_seed


def random(rounds: Rounds, round_: int) -> RoundTicket:
    """Keep weights drawn from what was kept: from all, or so many of each layer as a scope says."""
    before = rounds.masks(round_ - 1)
    keep, scope = rounds.keep(before), rounds.spec.scope
    if scope == "erk":
        available = {name: kept for name, kept, _ in before.layers()}
        return _drawn(rounds, erk_counts(rounds.shapes(), keep, available), before, "global")
    return _drawn(rounds, keep, before, scope)


def layerwise_random(rounds: Rounds, round_: int) -> RoundTicket:
    """Keep the same share of each layer, drawn at random."""
    before = rounds.masks(round_ - 1)
    return _drawn(rounds, rounds.keep(before), before, "tensor")


def shuffled(rounds: Rounds, round_: int) -> RoundTicket:
    """Keep as many weights of each layer as the ticket does, at places drawn at random."""
    # By name: a mask file has its layers sorted, a network has them in the order of its modules.
    of_layer = {name: kept for name, kept, _ in rounds.base(round_).layers()}
    kept = [of_layer[name] for name in rounds.shapes()]
    return _drawn(rounds, kept, rounds.masks(round_ - 1), "global")


def _drawn(rounds: Rounds, keep: int | list[int], within: _core.MaskSet, scope: str) -> RoundTicket:
    # One seed for all rounds: each weight keeps its random rank, so the rounds are nested.
    seed = derive_seed(rounds.spec.seed, rounds.spec.method)
    masks = _core.select_random(
        list(rounds.shapes().items()), keep=keep, seed=seed, within=within, scope=scope
    )
    return RoundTicket(masks, rounds.source.digest)
