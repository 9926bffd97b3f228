"""Small quantities: fractions such as "8/255", epochs such as "30ep", seeds, intervals.

Nothing here evaluates text as code, and nothing imports more than the standard library.
"""

from __future__ import annotations

import hashlib
import math
import re
from fractions import Fraction

from dwlt.errors import SpecError

_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_FRACTION = re.compile(rf"\s*({_NUMBER})\s*(?:/\s*({_NUMBER})\s*)?")
_EPOCHS = re.compile(r"\s*([0-9]+)\s*(?:ep|epochs?)?\s*")


def parse_fraction(text: str | float) -> Fraction:
    """Read plain fractions such as "8/255", decimals and numbers, exactly.

    Args:
        text: a number, or text of the form ``A`` or ``A/B`` with non-negative decimals.

    Returns:
        The value as an exact fraction (decimals are read as decimals, not as binary floats).

    Raises:
        SpecError: the text is not of that form, or B is zero.
    """
    source = repr(text) if isinstance(text, (int, float)) else text
    match = _FRACTION.fullmatch(source)
    if match is None:
        raise SpecError(
            f"{text!r} is not a non-negative number or fraction",
            hint='write it like "8/255", "0.03" or "1.25/255"',
        )
    denominator = Fraction(match[2]) if match[2] else Fraction(1)
    if denominator == 0:
        raise SpecError(f"{text!r} divides by zero", hint='write it like "8/255"')
    return Fraction(match[1]) / denominator


class Eps(str):
    """An attack radius or step that keeps the text it was written as, such as "8/255".

    The text is what files and reports show (and what names a run); ``value`` is the float that
    the attack uses. Units: pixel range [0, 1].
    """

    __slots__ = ()

    def __new__(cls, text: str | float) -> Eps:
        parse_fraction(text)
        plain = repr(text) if isinstance(text, (int, float)) else text
        return super().__new__(cls, "".join(plain.split()))

    @property
    def value(self) -> float:
        """The radius as a float, rounded once from the exact fraction."""
        return float(parse_fraction(str(self)))


def parse_epochs(text: str | int) -> int:
    """Read a number of epochs: 30, "30" or "30ep".

    Raises:
        SpecError: the text is not a whole number of epochs.
    """
    match = _EPOCHS.fullmatch(str(text))
    if match is None:
        raise SpecError(f"{text!r} is not a number of epochs", hint='write it like 30 or "30ep"')
    return int(match[1])


def derive_seed(seed: int, *parts: int | str) -> int:
    """A 63-bit seed that depends on the run's seed and on what it is for.

    Every stream of random numbers in dwlt starts from such a seed, e.g.
    ``derive_seed(seed, "augment", epoch, step)``; there is no live stream to save or to lose.
    The value is pinned by a test: it is the same on every machine and in every version.
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in (seed, *parts))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def sparsity_text(kept: int, total: int) -> str:
    """Sparsity as text, from the integers: 1 - kept/total with two decimals, "89.26%"."""
    return f"{100 * (1 - kept / total):.2f}%" if total else "0.00%"


def share(fraction: float) -> str:
    """A share, such as that of a task's images, as percent without trailing zeros: "10%"."""
    return f"{100 * fraction:.6g}%"


_Z95 = 1.959963984540054
"""The 97.5% point of the normal distribution."""


def wilson(correct: int, n: int, z: float = _Z95) -> tuple[float, float]:
    """The score interval of E. B. Wilson (1927) for a binomial share: fit for 0, n and small n.

    Args:
        correct: successes, 0 to ``n``.
        n: trials, at least 1.
        z: standard normal quantile of the confidence; by default of a two-sided 95%.

    Returns:
        Lower and upper end, shares in [0, 1].
    """
    part, square = correct / n, z * z
    centre = part + square / (2 * n)
    spread = z * math.sqrt(part * (1 - part) / n + square / (4 * n * n))
    scale = 1 + square / n
    low = 0.0 if correct == 0 else (centre - spread) / scale
    high = 1.0 if correct == n else (centre + spread) / scale
    return low, high
