"""The verdict, worked out by hand."""

from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwlt.report import Report, Verdict, assess, collect
from dwlt.results import Accuracy
from dwlt.verdict.rule import NUMBERS, GroupVerdict, Match, compare, needed
from dwlt.verdict.stats import Level, binomial_error, difference_error, quantile
from tests.report.make import ATTACK, Maker, id8, score


def report_of(make: Maker) -> Report:
    return assess(collect(make.root))


def only_group(make: Maker) -> GroupVerdict:
    (group,) = report_of(make).groups
    return group


def level(*correct: int, n: int = 100) -> Level:
    return Level(tuple(Accuracy(count, n) for count in correct))


def test_one_seed_has_the_binomial_error_as_tolerance() -> None:
    # p = 0.9, n = 100: sqrt(0.9 * 0.1 / 100) = 0.03.
    assert level(90).spread == pytest.approx(0.03)
    assert needed(level(90)) == pytest.approx(0.87)


def test_several_seeds_have_the_sample_deviation_as_tolerance() -> None:
    # 0.88, 0.90, 0.92: squares 4e-4 + 0 + 4e-4 = 8e-4, over 3 - 1 = 4e-4, root 0.02.
    dense = level(88, 90, 92)
    assert dense.mean == pytest.approx(0.90)
    assert dense.spread == pytest.approx(0.02)
    assert needed(dense) == pytest.approx(0.88)


def test_error_of_a_difference_over_seeds_is_pooled() -> None:
    # Variances 4e-4 and 1e-4, pooled (2 * 4e-4 + 2 * 1e-4) / 4 = 2.5e-4; times (1/3 + 1/3).
    error = difference_error(level(88, 90, 92), level(84, 85, 86))
    assert error == pytest.approx(sqrt(2.5e-4 * 2 / 3))


def test_error_of_a_difference_with_one_seed_is_binomial() -> None:
    # Variances 9e-4 (0.9) and 16e-4 (0.8), both n = 100: sqrt(25e-4) = 0.05.
    assert difference_error(level(90), level(80)) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("correct", "match"),
    [
        (95, Match.MATCH),
        (87, Match.MATCH),  # exactly what is needed, 0.90 - 0.03
        (86, Match.UNCLEAR),
        # Errors: sqrt(.0009 + .79*.21/100) = .0507, .78: .0511. 1.96 of them: .0993, .1002.
        (78, Match.UNCLEAR),  # gap -.09
        (77, Match.UNCLEAR),  # gap -.10, 1.96 * sqrt(.0009 + .77*.23/100) = .1013
        (76, Match.SHORT),  # gap -.11, 1.96 * sqrt(.0009 + .76*.24/100) = .1023
    ],
)
def test_one_number_of_one_seed(correct: int, match: Match) -> None:
    assert compare(NUMBERS[0], level(90), level(correct)).match is match


def test_an_exact_tie_is_a_match_in_spite_of_rounding() -> None:
    # What is needed is 0.52 - 0.05 = 0.47; the subtraction of floats gives a little more.
    dense, ticket = level(47, 52, 57), level(47, 47, 47)
    assert ticket.mean < needed(dense)
    assert compare(NUMBERS[0], dense, ticket).match is Match.MATCH


@given(st.lists(st.integers(0, 50), min_size=1, max_size=5))
def test_the_dense_network_matches_itself(counts: list[int]) -> None:
    dense = Level(tuple(Accuracy(count, 50) for count in counts))
    comparison = compare(NUMBERS[0], dense, dense)
    assert comparison.match is Match.MATCH
    assert comparison.gap == pytest.approx(dense.spread)


@given(st.integers(0, 51), st.integers(0, 50))
def test_a_match_is_never_lost_by_one_more_correct_image(dense: int, ticket: int) -> None:
    worse, better = (
        compare(NUMBERS[0], level(dense, n=51), level(count, n=51)).match
        for count in (ticket, ticket + 1)
    )
    assert worse is not Match.MATCH or better is Match.MATCH


DENSE = ([90], [20], [85], [50])


@pytest.mark.parametrize(
    ("ticket", "verdict"),
    [
        (([90], [20], [85], [50]), Verdict.DOUBLE_WIN),
        (([99], [60], [99], [80]), Verdict.DOUBLE_WIN),
        (([60], [20], [85], [50]), Verdict.NOT),  # loses on SA, standard
        (([90], [2], [85], [50]), Verdict.NOT),  # loses on RA, standard
        (([90], [20], [50], [50]), Verdict.NOT),  # loses on SA, adversarial
        (([90], [20], [85], [20]), Verdict.NOT),  # loses on RA, adversarial
        (([10], [0], [10], [0]), Verdict.NOT),
        (([86], [20], [85], [50]), Verdict.UNDECIDED),
        (([90], [15], [85], [44]), Verdict.UNDECIDED),
        (([86], [20], [85], [20]), Verdict.NOT),  # one unclear, one short
    ],
)
def test_all_four_numbers_decide(
    make: Maker, ticket: tuple[list[int], ...], verdict: Verdict
) -> None:
    make.network(0, DENSE)
    make.network(6, ticket)
    (judged,) = only_group(make).tickets
    assert judged.verdict is verdict


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize(
    ("seeds", "short", "unclear"),
    [
        # One seed: 20 points below is beyond 1.96 errors of at most 0.07, 6 points are within.
        (1, -20, -6),
        # Three seeds of spread 0.01: error sqrt(1e-4 * 2/3) = 0.0082, t reach 0.0227. Needed: the
        # mean less 0.01; 4 points below is a gap of -0.03, 2 points one of -0.01.
        (3, -4, -2),
    ],
)
def test_each_of_the_four_numbers_alone_can_lose(
    make: Maker, at: int, seeds: int, short: int, unclear: int
) -> None:
    spread = (0,) if seeds == 1 else (-1, 0, 1)

    def network(number: int, fall: int) -> None:
        row = [value + fall * (place == at) for place, value in enumerate((80, 40, 70, 50))]
        lists = [[value + d for d in spread] for value in row]
        make.network(number, lists, seeds=seeds)

    for number, fall in ((0, 0), (3, 0), (6, +9), (10, unclear), (15, short)):
        network(number, fall)
    group = only_group(make)
    assert [ticket.verdict for ticket in group.tickets] == [
        *(Verdict.DOUBLE_WIN, Verdict.DOUBLE_WIN, Verdict.UNDECIDED, Verdict.NOT),
    ]
    for ticket, match in zip(
        group.tickets, (Match.MATCH, Match.MATCH, Match.UNCLEAR, Match.SHORT), strict=True
    ):
        states = [comparison.match for comparison in ticket.comparisons]
        assert states == [match if place == at else Match.MATCH for place in range(4)]
    assert group.extreme is group.tickets[1]


@pytest.mark.parametrize("lost", ["standard", "adversarial"])
@pytest.mark.parametrize("number", [0, 6])
def test_a_cell_of_one_seed_that_is_missing_is_named(make: Maker, lost: str, number: int) -> None:
    lists = ([90] * 3, [20] * 3, [85] * 3, [50] * 3)
    for round_ in (0, 6):
        make.network(round_, lists, seeds=3)
    lacking = id8("transfer", number, lost, 1, "digits", "imp", 100, ATTACK, "")
    (make.root / "transfer" / f"digits-{lacking}" / "result.json").unlink()
    (ticket,) = only_group(make).tickets
    who = "ticket" if number else "dense network"
    assert ticket.verdict is Verdict.INCOMPLETE
    assert ticket.missing == (f"{who}: {lost} transfer, seed 1",)


def test_the_one_checkpoint_verdict_takes_both_numbers_from_the_best_ra_checkpoint(
    make: Maker,
) -> None:
    def cell(number: int, regime: str, sa_at_best_ra: int) -> None:
        best = {"epoch": 9, "validation": score(90, 50)}
        make.cell(number, regime, 90, 50, best_ra=best | {"test": score(sa_at_best_ra, 50)})

    for number, at_standard, at_adversarial in ((0, 88, 80), (6, 88, 80), (10, 88, 50)):
        cell(number, "standard", at_standard)
        cell(number, "adversarial", at_adversarial)
    group = only_group(make)
    assert [ticket.verdict for ticket in group.tickets] == [Verdict.DOUBLE_WIN] * 2
    assert [ticket.verdict for ticket in group.strict.tickets] == [
        *(Verdict.DOUBLE_WIN, Verdict.NOT),
    ]
    assert [found.mean for found in group.strict.dense if found is not None] == [
        *(0.88, 0.5, 0.8, 0.5),
    ]
    short = group.strict.tickets[1].comparisons
    assert [c.match for c in short] == [Match.MATCH, Match.MATCH, Match.SHORT, Match.MATCH]
    assert group.extreme is group.tickets[1]
    assert group.strict.extreme is group.strict.tickets[0]


def test_without_ra_there_is_no_one_checkpoint(make: Maker) -> None:
    make.network(0, DENSE)
    make.cell(6, "standard", 95, None)
    make.cell(6, "adversarial", 90, 60)
    (ticket,) = only_group(make).strict.tickets
    assert ticket.verdict is Verdict.INCOMPLETE
    assert ticket.comparisons[0].level is None


def test_three_seeds(make: Maker) -> None:
    # Dense SA 0.90 +- 0.02 (needs 0.88), the other three have no spread at all.
    make.network(0, ([88, 90, 92], [20] * 3, [85] * 3, [50] * 3), seeds=3)
    make.network(6, ([87, 88, 89], [20] * 3, [85] * 3, [50] * 3), seeds=3)
    make.network(10, ([86, 87, 88], [20] * 3, [85] * 3, [50] * 3), seeds=3)
    make.network(15, ([83, 84, 85], [20] * 3, [85] * 3, [50] * 3), seeds=3)
    group = only_group(make)
    # Round 15: gap -0.04; error sqrt(2.5e-4 * 2/3) = 0.0129, 1.96 of it = 0.0253.
    assert [t.verdict for t in group.tickets] == [
        Verdict.DOUBLE_WIN,
        Verdict.UNDECIDED,
        Verdict.NOT,
    ]
    assert group.extreme is group.tickets[0]
    assert group.tickets[1].comparisons[0].gap == pytest.approx(-0.01)
    assert group.tickets[2].comparisons[0].error == pytest.approx(sqrt(2.5e-4 * 2 / 3))


def test_extreme_sparsity_is_that_of_the_sparsest_win_even_past_a_loss(make: Maker) -> None:
    make.network(0, DENSE)
    make.network(6, DENSE)
    make.network(10, ([10], [0], [10], [0]))
    make.network(15, DENSE)
    extreme = only_group(make).extreme
    assert extreme is not None
    assert (extreme.network.round, extreme.network.kept) == (15, 35)


def test_no_win_no_extreme_sparsity(make: Maker) -> None:
    make.network(0, DENSE)
    make.network(6, ([10], [0], [10], [0]))
    assert only_group(make).extreme is None


def test_the_dense_network_is_no_ticket(make: Maker) -> None:
    make.network(0, DENSE)
    group = only_group(make)
    assert (group.tickets, group.extreme) == ((), None)


def test_a_missing_regime_is_incomplete_and_no_win(make: Maker) -> None:
    make.network(0, DENSE)
    make.cell(6, "standard", 99, 99)
    group = only_group(make)
    assert group.tickets[0].verdict is Verdict.INCOMPLETE
    assert group.tickets[0].missing == ("ticket: no adversarial transfer",)
    assert group.extreme is None


def test_a_missing_dense_network_is_incomplete(make: Maker) -> None:
    make.network(6, DENSE)
    (ticket,) = only_group(make).tickets
    assert ticket.verdict is Verdict.INCOMPLETE
    assert ticket.missing == (
        "dense network: no standard transfer",
        "dense network: no adversarial transfer",
    )


def test_other_seeds_than_the_dense_network_are_incomplete(make: Maker) -> None:
    make.network(0, ([90] * 3, [20] * 3, [85] * 3, [50] * 3), seeds=3)
    make.network(6, ([90] * 2, [20] * 2, [85] * 2, [50] * 2), seeds=2)
    (ticket,) = only_group(make).tickets
    assert ticket.verdict is Verdict.INCOMPLETE
    assert ticket.missing == (
        "ticket: standard transfer, seed 2",
        "ticket: adversarial transfer, seed 2",
    )


def test_an_unmeasured_ra_is_incomplete_and_joins_its_group(make: Maker) -> None:
    make.network(0, DENSE)
    make.cell(6, "standard", 95, None)
    make.cell(6, "adversarial", 90, 60)
    (ticket,) = only_group(make).tickets
    assert ticket.verdict is Verdict.INCOMPLETE
    assert ticket.missing == ("ticket: RA after standard transfer was not measured",)


def test_standard_error_of_a_certain_number_is_zero() -> None:
    assert binomial_error(Accuracy(0, 10)) == 0
    assert binomial_error(Accuracy(10, 10)) == 0


def test_few_seeds_reach_further_than_the_normal() -> None:
    # 3 + 3 - 2 = 4 degrees of freedom: t(0.975) = 2.776 in every table. One seed: the normal's.
    assert quantile(level(88, 90, 92), level(84, 85, 86)) == 2.776
    assert quantile(level(90), level(80)) == pytest.approx(1.95996, abs=1e-5)
    many = level(*[90] * 20)
    assert quantile(many, many) == pytest.approx(1.95996, abs=1e-5)


def test_a_gap_between_the_normal_and_students_reach_is_unclear() -> None:
    # Needed 0.90 - 0.02 = 0.88; ticket 0.845; gap -0.035. Variances 4e-4 and 0.25e-4, pooled
    # 2.125e-4, times 2/3: error 0.0119. The gap is 2.94 errors: beyond 2.776, so short.
    dense = level(88, 90, 92)
    half = Level(tuple(Accuracy(count, 200) for count in (168, 169, 170)))
    assert compare(NUMBERS[0], dense, half).match is Match.SHORT
    # Ticket 0.85, same spread: gap -0.03, 2.52 errors: beyond 1.96 and within 2.776.
    nearer = Level(tuple(Accuracy(count, 200) for count in (169, 170, 171)))
    assert compare(NUMBERS[0], dense, nearer).match is Match.UNCLEAR


def test_a_dense_network_at_the_floor_is_flagged(make: Maker) -> None:
    # Five classes: guessing is 0.20, its error with n = 100 is 0.04, so 0.32 is the edge.
    make.cell(0, "standard", 33, 9)
    make.cell(0, "adversarial", 32, 10)
    flags = [flag for flag in report_of(make).flags if flag.code == "dense-at-floor"]
    # RA 0.09 has the error 0.0286: 3 errors are 0.0859, so it is above the floor; 0.08 is not.
    assert [flag.text.split(" is ")[0] for flag in flags] == [
        "SA of the dense network after adversarial transfer"
    ]
