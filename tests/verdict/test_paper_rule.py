from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlt.verdict.noninferiority import Match
from dwlt.verdict.outcomes import NUMBERS, Measured
from dwlt.verdict.paper_rule import compare_as_paper, tolerance

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


def test_one_seed_on_either_side_makes_the_error_binomial() -> None:
    # 0.9 * 0.1 / 100 of the one seed; 0.8 * 0.2 / 100 of each of two, over two squared.
    squares = 0.0009 + (0.0016 + 0.0016) / 4
    for dense, ticket in ((counts(90), counts(80, 80)), (counts(80, 80), counts(90))):
        assert compare_as_paper(SA, dense, ticket).error == pytest.approx(sqrt(squares))


def test_a_missing_side_is_missing() -> None:
    assert compare_as_paper(SA, None, counts(90)).match is Match.MISSING


@pytest.mark.parametrize(
    ("correct", "match"),
    [
        (95, Match.MATCHES),
        (87, Match.MATCHES),  # exactly what is needed, 0.90 - 0.03
        (86, Match.UNCLEAR),
        # Errors: sqrt(.0009 + .79*.21/100) = .0507, .78: .0511. 1.96 of them: .0993, .1002.
        (78, Match.UNCLEAR),  # gap -.09
        (77, Match.UNCLEAR),  # gap -.10, 1.96 * sqrt(.0009 + .77*.23/100) = .1013
        (76, Match.SHORT),  # gap -.11, 1.96 * sqrt(.0009 + .76*.24/100) = .1023
    ],
)
def test_one_number_of_one_seed(correct: int, match: Match) -> None:
    assert compare_as_paper(SA, counts(90), counts(correct)).match is match


def test_an_exact_tie_is_a_match_in_spite_of_rounding() -> None:
    # What is needed is 0.52 - 0.05 = 0.47; the subtraction of floats gives a little more.
    dense, ticket = counts(47, 52, 57), counts(47, 47, 47)
    assert ticket.mean < dense.mean - tolerance(dense)
    assert compare_as_paper(SA, dense, ticket).match is Match.MATCHES


def test_a_gap_between_the_normal_and_students_reach_is_unclear() -> None:
    # Needed 0.90 - 0.02 = 0.88; ticket 0.845; gap -0.035. Variances 4e-4 and 0.25e-4, pooled
    # 2.125e-4, times 2/3: error 0.0119. The gap is 2.94 errors: beyond 2.776, so short.
    dense = counts(88, 90, 92)
    assert compare_as_paper(SA, dense, counts(168, 169, 170, n=200)).match is Match.SHORT
    # Ticket 0.85, same spread: gap -0.03, 2.52 errors: beyond 1.96 and within 2.776.
    assert compare_as_paper(SA, dense, counts(169, 170, 171, n=200)).match is Match.UNCLEAR


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=5))
def test_the_dense_network_matches_itself(correct: list[int]) -> None:
    dense = counts(*correct, n=50)
    found = compare_as_paper(SA, dense, dense)
    assert found.match is Match.MATCHES
    assert found.gap == pytest.approx(tolerance(dense))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 51), st.integers(0, 50))
def test_a_match_is_never_lost_by_one_more_correct_image(dense: int, ticket: int) -> None:
    worse, better = (
        compare_as_paper(SA, counts(dense, n=51), counts(count, n=51)).match
        for count in (ticket, ticket + 1)
    )
    assert worse is not Match.MATCHES or better is Match.MATCHES
