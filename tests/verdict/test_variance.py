from __future__ import annotations

import numpy as np
import pytest

from dwlt.verdict.outcomes import Contender, Measured
from dwlt.verdict.variance import HEAD, components, table
from tests.verdict.make import STANDARD_SA


def networks(*levels: tuple[int, ...]) -> dict[int, Contender]:
    """Of rounds 0, 1, ...: correct of 100 images for each seed."""
    return {
        round_: Contender(
            round_, 100, 100, {STANDARD_SA: Measured.of_counts(dict(enumerate(counts)), 100)}
        )
        for round_, counts in enumerate(levels)
    }


def test_worked_by_hand() -> None:
    """Three replicates, two networks, two seeds; all in points.

    Cell means 50 40 | 56 46 | 59 45: of replicates 45, 51, 52, of rounds 55 and 131/3, of all
    148/3. Squares of the means of replicates from it: (169 + 25 + 64) / 9 = 86/3; times a n = 4,
    by k - 1 = 2: 172/3. What is left of the cell means: -+2/3, -+2/3, +-4/3, squares sum to
    2 (4 + 4 + 16) / 9 = 16/3; times n = 2, by (k - 1)(a - 1) = 2: 16/3. Seeds lie 1 from their
    cell's mean: 12 / 6 = 2. So seed 2, ticket (16/3 - 2) / 2 = 5/3, replicate
    (172/3 - 16/3) / 4 = 13.
    """
    (found,) = components(
        [
            networks((49, 51), (41, 39)),
            networks((57, 55), (45, 47)),
            networks((60, 58), (44, 46)),
        ]
    )
    assert found.number == STANDARD_SA
    assert (found.replicates, found.networks, found.seeds) == (3, 2, 2)
    assert found.seed == pytest.approx(2)
    assert found.ticket == pytest.approx(5 / 3)
    assert found.replicate == pytest.approx(13)
    assert found.shares == pytest.approx((0.78, 0.1, 0.12))
    (row,) = table([found])
    assert len(row) == len(HEAD)
    assert row[:4] == ("SA, standard transfer", "3.61 (78%)", "1.29 (10%)", "1.41 (12%)")


def test_what_cannot_be_told_apart_is_not_named() -> None:
    one_seed = components([networks((50,), (40,)), networks((56,), (46,)), networks((59,), (45,))])
    assert one_seed[0].seed is None
    assert one_seed[0].ticket == pytest.approx(16 / 6)  # half of the table above
    dense_alone = components([networks((49, 51)), networks((57, 55)), networks((60, 58))])
    assert dense_alone[0].ticket is None
    # Means 50, 56, 59 vary by 21; a half of the seeds' variance of 2 is in that.
    assert dense_alone[0].replicate == pytest.approx(20)
    assert table(dense_alone)[0][2] == "-"


def test_two_replicates_say_nothing_and_negative_parts_are_zero() -> None:
    assert components([networks((50,)), networks((60,))]) == ()
    same = networks((40, 60), (40, 60))
    (found,) = components([same, same, same])
    assert (found.replicate, found.ticket) == (0, 0)
    assert found.seed == pytest.approx(200)


def test_only_what_all_replicates_have_is_compared() -> None:
    whole = networks((49, 51), (41, 39), (30, 30))
    (found,) = components([whole, networks((57, 55, 99), (45, 47)), networks((60, 58), (44, 46))])
    assert (found.networks, found.seeds) == (2, 2)
    assert found.replicate == pytest.approx(13)


def test_known_components_are_found_again() -> None:
    rng = np.random.default_rng(5)
    k, a, n = 400, 4, 3
    y = 5000 + 300 * rng.normal(size=(k, 1, 1)) + 200 * rng.normal(size=(k, a, 1))
    y = np.rint(y + 100 * rng.normal(size=(k, a, n))).astype(int)
    made = [
        {
            r: Contender(
                r,
                1,
                1,
                {STANDARD_SA: Measured.of_counts(dict(enumerate(y[i, r].tolist())), 10_000)},
            )
            for r in range(a)
        }
        for i in range(k)
    ]
    (found,) = components(made)
    assert found.replicate == pytest.approx(9, rel=0.2)
    assert found.ticket == pytest.approx(4, rel=0.1)
    assert found.seed == pytest.approx(1, rel=0.1)
