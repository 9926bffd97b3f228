"""The sparsity axis: every round of iterative pruning takes the same step on it."""

from __future__ import annotations

import math
from collections.abc import Iterable


def position(kept: int, total: int) -> float:
    """-log10 of the kept share: 0 for the dense network, 1 where a tenth is left.

    A network without any weight has no logarithm; it is placed where half a weight would be.
    """
    return -math.log10(max(kept, 0.5) / total)


def choose_ticks(places: Iterable[float], *, most: int = 7) -> list[float]:
    """Places to label: the first, the last, and those between that leave room for a label.

    Args:
        places: positions of the networks, in any order.
        most: about how many labels fit side by side.
    """
    ordered = sorted(set(places))
    room = (ordered[-1] - ordered[0]) / most
    ticks = ordered[:1]
    for place in ordered[1:-1]:
        if place - ticks[-1] >= room and ordered[-1] - place >= room:
            ticks.append(place)
    return ticks + ordered[-1:] if len(ordered) > 1 else ticks
