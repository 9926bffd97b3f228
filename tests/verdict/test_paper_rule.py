from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlt.results import Accuracy
from dwlt.verdict import rule
from dwlt.verdict.noninferiority import Match
from dwlt.verdict.outcomes import NUMBERS, Measured
from dwlt.verdict.paper_rule import compare_as_paper, tolerance
from dwlt.verdict.stats import Level

SA = NUMBERS[0]


def counts(*correct: int, n: int = 100) -> Measured:
    return Measured.of_counts(dict(enumerate(correct)), n)


def test_the_tolerance_by_hand() -> None:
    assert tolerance(counts(88, 90, 92)) == pytest.approx(0.02)
    assert tolerance(counts(90)) == pytest.approx(0.03)


def test_an_error_by_hand() -> None:
    found = compare_as_paper(SA, counts(88, 90, 92), counts(84, 85, 86))
    assert found.error == pytest.approx(sqrt(2.5e-4 * 2 / 3))
    assert found.gap == pytest.approx(0.85 - 0.88)
    # The interval reaches 2.776 errors: 0.0358.
    assert found.match is Match.UNCLEAR


def test_a_missing_side_is_missing() -> None:
    assert compare_as_paper(SA, None, counts(90)).match is Match.MISSING


SAME = {
    rule.Match.MATCH: Match.MATCHES,
    rule.Match.SHORT: Match.SHORT,
    rule.Match.UNCLEAR: Match.UNCLEAR,
}
seeds = st.lists(st.integers(0, 100), min_size=1, max_size=5)


@settings(max_examples=80, deadline=None)
@given(seeds, seeds)
def test_it_is_the_rule_of_reports_so_far(dense: Sequence[int], ticket: Sequence[int]) -> None:
    levels = [Level(tuple(Accuracy(c, 100) for c in side)) for side in (dense, ticket)]
    before = rule.compare(rule.NUMBERS[0], *levels)
    after = compare_as_paper(SA, counts(*dense), counts(*ticket))
    assert after.match is SAME[before.match]
    assert after.gap == pytest.approx(before.gap)
    assert after.error == pytest.approx(before.error)
