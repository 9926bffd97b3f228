"""How many weights each layer keeps where neither all compete nor all keep the same share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import floor, prod

from dwlt.errors import MaskError


def erk_counts(
    shapes: Mapping[str, Sequence[int]],
    keep: int,
    available: Mapping[str, int] | None = None,
) -> list[int]:
    """Counts by the Erdős-Rényi-Kernel rule (Evci et al. 2020, arXiv 1911.11134, section 3).

    The density of a layer is in proportion to (n_in + n_out + width + height) over the product of
    the same; so its number of kept weights is in proportion to the sum of its sizes. Layers that
    would need more than they have stay whole, and the others share the rest. Exact: the counts
    add up to ``keep``; what is left over by rounding goes to the largest remainders, ties to the
    earlier layer.

    Args:
        shapes: sizes of each tensor by name, in order.
        keep: number of weights to keep in all.
        available: weights of each that may be kept; None: all.

    Raises:
        MaskError: there are fewer than ``keep``.
    """
    most = [prod(shape) if available is None else available[n] for n, shape in shapes.items()]
    if not 0 <= keep <= sum(most):
        raise MaskError(f"cannot keep {keep} of {sum(most)} weights")
    sizes = [sum(shape) for shape in shapes.values()]
    whole: set[int] = set()
    while True:
        others = [at for at in range(len(sizes)) if at not in whole]
        if not others:
            return most
        left = keep - sum(most[at] for at in whole)
        unit = Fraction(left, max(1, sum(sizes[at] for at in others)))
        full = {at for at in others if unit * sizes[at] > most[at]}
        if not full:
            break
        whole |= full
    exact = [Fraction(most[at]) if at in whole else unit * sizes[at] for at in range(len(sizes))]
    counts = [floor(share) for share in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda at: counts[at] - exact[at])
    for at in by_remainder[: keep - sum(counts)]:
        counts[at] += 1
    return counts
