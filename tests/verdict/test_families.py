from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlt.verdict.families import PROCEDURES, fallback, fixed_sequence, hochberg, holm


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.5: times 4, 3, 2, 1 gives 0.04, 0.06, 0.06, 0.5.
    assert holm([0.02, 0.5, 0.01, 0.03]) == pytest.approx((0.06, 0.5, 0.04, 0.06))


def test_hochberg_by_hand() -> None:
    # From the largest: 0.04, 2 * 0.03 is not less, 3 * 0.02 = 0.06 neither: all of them 0.04.
    assert hochberg([0.02, 0.04, 0.03]) == pytest.approx((0.04, 0.04, 0.04))
    assert holm([0.02, 0.04, 0.03]) == pytest.approx((0.06, 0.06, 0.06))


def test_a_fixed_sequence_stops_at_the_first_failure() -> None:
    assert fixed_sequence([0.01, 0.2, 0.001]) == (0.01, 0.2, 0.2)


def test_fallback_by_hand() -> None:
    # Level 0.05 in halves: 0.025 for the first; handed on, the second has 0.05.
    assert fallback([0.02, 0.045]) == pytest.approx((0.04, 0.045))
    # The first fails: the second keeps its own half.
    assert fallback([0.9, 0.02]) == pytest.approx((1.0, 0.04))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_no_procedure_is_more_lenient_than_no_procedure(p: list[float]) -> None:
    for name, procedure in PROCEDURES.items():
        adjusted = procedure(p)
        assert all(a >= b - 1e-12 for a, b in zip(adjusted, p, strict=True)), name
        assert all(0 <= a <= 1 for a in adjusted), name
    assert all(a <= b + 1e-12 for a, b in zip(hochberg(p), holm(p), strict=True))
