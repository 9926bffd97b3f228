"""Accuracies: exact shares and Wilson's interval."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwlt.results import Accuracy
from dwlt.units import wilson


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [
        # z = 1.959964, z*z = 3.841459.
        # 8 of 10: (0.8 + 0.192073 -+ 1.959964 * sqrt(0.016 + 0.0096036)) / 1.3841459.
        (8, 10, 0.490162, 0.943318),
        # 0 of n: from 0 to z*z / (n + z*z); n of n is its mirror image.
        (0, 10, 0.0, 3.841459 / 13.841459),
        (10, 10, 10 / 13.841459, 1.0),
        # 50 of 100: (0.5 + 0.0192073 -+ 1.959964 * sqrt(0.0025 + 0.0000960365)) / 1.03841459.
        (50, 100, 0.403832, 0.596168),
    ],
)
def test_wilson_by_hand(correct: int, n: int, low: float, high: float) -> None:
    assert wilson(correct, n) == pytest.approx((low, high), abs=1e-6)


@given(st.integers(1, 10_000), st.data())
def test_the_bounds_are_where_the_share_is_just_plausible(n: int, data: st.DataObject) -> None:
    # The definition: |share - p| = z * sqrt(p * (1 - p) / n) at both ends.
    correct = data.draw(st.integers(0, n))
    for bound in wilson(correct, n):
        distance = 1.959963984540054 * math.sqrt(bound * (1 - bound) / n)
        assert abs(correct / n - bound) == pytest.approx(distance, abs=1e-9)
    low, high = wilson(correct, n)
    assert 0 <= low <= correct / n <= high <= 1
    mirrored = wilson(n - correct, n)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


@pytest.mark.parametrize(
    ("correct", "n", "says"), [(0, 0, "equal to 1"), (-1, 5, "equal to 0"), (6, 5, "correct")]
)
def test_there_is_no_accuracy_of_nothing(correct: int, n: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Accuracy(correct, n)
