"""What a verdict is drawn from: the numbers of a dense network and of its tickets.

A small typed input of its own, so that the statistics know nothing of result files. Per network
there are up to four numbers (SA and RA, after standard and after adversarial transfer), and per
number either one bit for each seed and test image, or only the count of correct images per seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.bool_]
Kind = Literal["sa", "ra"]
RegimeName = Literal["standard", "adversarial"]

REGIMES: tuple[RegimeName, ...] = ("standard", "adversarial")
"""The two transfer regimes of a verdict, in the order of columns."""


@dataclass(frozen=True, slots=True, order=True)
class Number:
    """One of the four numbers: transfer regime, and "sa" or "ra"."""

    regime: RegimeName
    kind: Kind

    @property
    def key(self) -> str:
        """As columns of files are called: "standard_sa"."""
        return f"{self.regime}_{self.kind}"

    @property
    def title(self) -> str:
        """As a reader sees it."""
        return f"{self.kind.upper()}, {self.regime} transfer"


NUMBERS: tuple[Number, ...] = tuple(
    Number(regime, kind) for regime in REGIMES for kind in ("sa", "ra")
)
"""SA and RA after standard transfer, SA and RA after adversarial transfer."""

PUBLISHED_NUMBERS: tuple[Number, ...] = tuple(n for n in NUMBERS if n.key != "standard_ra")
"""What the paper's scripts measure: no RA after standard transfer."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One number of one network, over its seeds and test images.

    Attributes:
        seeds: the seeds of the transfers, ascending and without repetition.
        correct: of each seed, how many of the ``n`` images were classified correctly.
        n: how many test images.
        bits: one row per seed, one column per image: whether it was classified correctly.
            None where only counts were kept.
        images: digest of the test images in the order of the columns, "" where it is not known.
            Bits of two networks are paired only where these agree.
    """

    seeds: tuple[int, ...]
    correct: tuple[int, ...]
    n: int
    bits: Bits | None = None
    images: str = ""

    def __post_init__(self) -> None:
        if not self.seeds or list(self.seeds) != sorted(set(self.seeds)):
            raise ValueError(f"seeds must be given, ascending and distinct, not {self.seeds}")
        if len(self.correct) != len(self.seeds):
            raise ValueError(f"{len(self.seeds)} seeds, but {len(self.correct)} counts")
        if self.n < 1 or not all(0 <= count <= self.n for count in self.correct):
            raise ValueError(f"counts {self.correct} do not fit {self.n} images")
        if self.bits is not None and self.bits.shape != (len(self.seeds), self.n):
            raise ValueError(f"bits have shape {self.bits.shape}")

    @classmethod
    def of_bits(cls, bits: Mapping[int, Bits], images: str = "") -> Measured:
        """From one row of bits for each seed; all rows are about the same images, in one order.

        Raises:
            ValueError: there is no seed, or rows differ in length.
        """
        seeds = tuple(sorted(bits))
        rows = [np.asarray(bits[seed], dtype=np.bool_) for seed in seeds]
        if len({row.shape for row in rows}) != 1 or rows[0].ndim != 1:
            raise ValueError("every seed needs one row of bits, all of one length")
        table = np.stack(rows)
        counts = tuple(int(count) for count in table.sum(axis=1))
        return cls(seeds, counts, table.shape[1], table, images)

    @classmethod
    def of_counts(cls, correct: Mapping[int, int], n: int) -> Measured:
        """From the number of correct images for each seed, of ``n`` images."""
        seeds = tuple(sorted(correct))
        return cls(seeds, tuple(correct[seed] for seed in seeds), n)

    @property
    def mean(self) -> float:
        """Share of correct images over all seeds, in [0, 1]."""
        return sum(self.correct) / (self.n * len(self.seeds))

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation over seeds (divisor seeds - 1); None with one seed."""
        if len(self.seeds) < 2:
            return None
        mean = self.mean
        squares = sum((count / self.n - mean) ** 2 for count in self.correct)
        return math.sqrt(squares / (len(self.seeds) - 1))

    def only(self, seeds: Iterable[int]) -> Measured | None:
        """The part with these seeds; None where there is none of them."""
        wanted = set(seeds)
        places = [place for place, seed in enumerate(self.seeds) if seed in wanted]
        if not places:
            return None
        return Measured(
            tuple(self.seeds[p] for p in places),
            tuple(self.correct[p] for p in places),
            self.n,
            None if self.bits is None else self.bits[places],
            self.images,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """The dense network (round 0) or a ticket, with what was measured of it.

    Attributes:
        round, kept, total: of the mask; ``kept`` of ``total`` prunable weights are left.
        numbers: what was measured; a number that was not is left out.
        missing: what the caller knows to be missing besides, in words ("adversarial transfer,
            seed 2"). A network with anything missing is never a win.
    """

    round: int
    kept: int
    total: int
    numbers: Mapping[Number, Measured]
    missing: tuple[str, ...] = ()

    @property
    def sparsity(self) -> float:
        """The removed share in [0, 1)."""
        return 1 - self.kept / self.total

    def seeds(self, regime: str) -> tuple[int, ...]:
        """Every seed with a number after this regime, ascending."""
        found = {
            seed
            for number, measured in self.numbers.items()
            if number.regime == regime
            for seed in measured.seeds
        }
        return tuple(sorted(found))

    def only(self, seeds: Iterable[int]) -> Contender:
        """The same network as if only these seeds had been run."""
        wanted = tuple(seeds)
        parts = {number: measured.only(wanted) for number, measured in self.numbers.items()}
        kept = {number: part for number, part in parts.items() if part is not None}
        return Contender(self.round, self.kept, self.total, kept, self.missing)
