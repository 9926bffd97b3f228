"""Several tickets, one error rate: procedures that hold the family-wise error.

Every procedure takes p-values of hypotheses in a fixed order (rounds, from dense to sparse) and
returns adjusted p-values in the same order: a hypothesis is rejected at level alpha exactly where
its adjusted p-value is at most alpha. Then the chance of one false rejection or more is at most
alpha, whatever the dependence between tests (Hochberg: under positive dependence, which tickets
that share one dense network have).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

Procedure = Callable[[Sequence[float]], tuple[float, ...]]


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down procedure (Scandinavian Journal of Statistics 6, 1979).

    The order of the hypotheses does not matter: a failure stops nothing that is clearer than it.
    """
    order = sorted(range(len(p)), key=lambda place: p[place])
    scaled = [(len(p) - rank) * p[place] for rank, place in enumerate(order)]
    return _in_place(order, accumulate(scaled, max))


def hochberg(p: Sequence[float]) -> tuple[float, ...]:
    """Hochberg's step-up procedure (Biometrika 75, 1988): Holm's levels, from the largest on."""
    order = sorted(range(len(p)), key=lambda place: -p[place])
    scaled = [(rank + 1) * p[place] for rank, place in enumerate(order)]
    return _in_place(order, accumulate(scaled, min))


def fixed_sequence(p: Sequence[float]) -> tuple[float, ...]:
    """Each at the full level in the given order, until the first failure.

    (Maurer, Hothorn and Lehmacher, in Biometrie in der chemisch-pharmazeutischen Industrie 6,
    1995.) Nothing beyond a failure can be rejected.
    """
    return tuple(accumulate(p, max))


def fallback(p: Sequence[float]) -> tuple[float, ...]:
    """The fallback procedure with equal weights (Wiens, Pharmaceutical Statistics 2, 2003).

    In the given order each is tested at its own share of the level, and at what those directly
    before it had if they were rejected. A failure costs what was handed on, not the rest.
    """
    adjusted = [_fallback_level(p, place) for place in range(len(p))]
    return tuple(adjusted)


def _fallback_level(p: Sequence[float], place: int) -> float:
    """The least level at which the hypothesis at ``place`` is rejected.

    With m hypotheses and k rejections directly before it, its level is (k + 1) alpha / m. Whether
    those are rejected depends on alpha itself, so candidates are tried from small to large.
    """
    m = len(p)
    candidates = sorted({m * value / share for value in p for share in range(1, m + 1)} | {1.0})
    for alpha in candidates:
        if alpha > 1:
            break
        handed = 0
        for value in p[: place + 1]:
            level = (handed + 1) * alpha / m
            # Equality up to the rounding of the division that made the candidate.
            handed = handed + 1 if value <= level * (1 + 1e-12) else 0
        if handed:
            return alpha
    return 1.0


def _in_place(order: Sequence[int], values: object) -> tuple[float, ...]:
    adjusted = [1.0] * len(order)
    for place, value in zip(order, values, strict=True):  # type: ignore[call-overload]
        adjusted[place] = min(float(value), 1.0)
    return tuple(adjusted)


PROCEDURES: Mapping[str, Procedure] = {
    "holm": holm,
    "hochberg": hochberg,
    "fixed-sequence": fixed_sequence,
    "fallback": fallback,
}
"""By the name that a report shows."""
