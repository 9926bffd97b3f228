from __future__ import annotations

import pytest

from dwlt.spec.verdict import VerdictPart
from dwlt.verdict.judge import Verdict, judge
from dwlt.verdict.noninferiority import Comparison
from dwlt.verdict.outcomes import NUMBERS, Contender
from tests.verdict.make import (
    ADVERSARIAL_RA,
    ADVERSARIAL_SA,
    STANDARD_RA,
    STANDARD_SA,
    lower,
    network,
)

ONE_POINT = VerdictPart(margin_sa=1, margin_ra=1)


def verdicts(
    dense: Contender | None, *tickets: Contender, settings: VerdictPart = ONE_POINT
) -> list[Verdict]:
    return [t.verdict for t in judge(dense, tickets, 10, settings, curves=False).tickets]


def test_identical_networks_are_a_double_win() -> None:
    assert verdicts(network(), network(3)) == [Verdict.DOUBLE_WIN]


def test_one_number_short_is_no_win() -> None:
    for number in NUMBERS:
        assert verdicts(network(), network(3, levels=lower({number: 2}))) == [Verdict.NOT]
        assert verdicts(network(), network(3, levels=lower({number: 1}))) == [Verdict.UNDECIDED]


def test_a_number_at_the_floor_leaves_the_conjunction_and_is_said() -> None:
    levels = (0.95, 0.0, 0.85, 0.60)
    found = judge(network(levels=levels), [network(3, levels=levels)], 10, ONE_POINT, curves=False)
    assert found.tickets[0].verdict is Verdict.DOUBLE_WIN
    assert found.tickets[0].counted == (STANDARD_SA, ADVERSARIAL_SA, ADVERSARIAL_RA)
    assert not found.floors[STANDARD_RA].carries
    assert found.floors[STANDARD_RA].p > 0.99


def test_a_dense_network_within_the_margin_of_its_floor_carries_nothing() -> None:
    # 10.5% SA of ten classes: a network that guesses would match within one point.
    found = judge(
        network(levels=(0.105, 0.05, 0.85, 0.6)), [network(3)], 10, ONE_POINT, curves=False
    )
    assert [floor.carries for floor in found.floors.values()] == [False, True, True, True]


def test_without_an_ra_above_the_floor_there_is_no_double_win() -> None:
    levels = (0.95, 0.0, 0.85, 0.0)
    assert verdicts(network(levels=levels), network(3, levels=levels)) == [Verdict.AT_FLOOR]


def test_a_dense_spread_of_zero_changes_nothing() -> None:
    # Three tenths of a point short, where the dense network's seeds agree by chance.
    short = network(3, levels=lower({STANDARD_SA: 0.3}))
    assert verdicts(network(spread=0), short) == [Verdict.DOUBLE_WIN]
    assert verdicts(network(spread=0), short, settings=VerdictPart(rule="paper")) != [
        Verdict.DOUBLE_WIN
    ]


def test_one_seed_is_judged_on_images_and_says_so() -> None:
    found = judge(network(seeds=1), [network(3, seeds=1)], 10, ONE_POINT, curves=False)
    assert found.tickets[0].verdict is Verdict.DOUBLE_WIN
    assert "another seed" in found.tickets[0].notes[0]


def test_counts_alone_are_judged_more_carefully_and_say_so() -> None:
    dense, ticket = network(counts=True), network(3, counts=True)
    found = judge(dense, [ticket], 10, ONE_POINT, curves=False)
    # RA near 50% of 10,000 images: an unpaired error of 0.7 points cannot resolve one point.
    assert found.tickets[0].verdict is Verdict.UNDECIDED
    assert "judged by counts" in found.tickets[0].notes[0]
    wide = VerdictPart(margin_sa=3, margin_ra=3)
    assert verdicts(dense, ticket, settings=wide) == [Verdict.DOUBLE_WIN]


def test_what_is_missing_is_named_and_never_a_win() -> None:
    found = judge(
        network(), [network(3, without=[STANDARD_RA])], 10, ONE_POINT, curves=False
    ).tickets[0]
    assert found.verdict is Verdict.INCOMPLETE
    assert found.missing == ("ticket: RA after standard transfer",)
    assert found.p == 1.0
    nothing = network(3, without=[ADVERSARIAL_RA, ADVERSARIAL_SA])
    told = judge(None, [nothing], 10, ONE_POINT, curves=False).tickets[0]
    assert told.missing == (
        "dense network: no standard transfer",
        "dense network: no adversarial transfer",
        "ticket: no adversarial transfer",
    )
    planned = Contender(3, 1, 2, network().numbers, ("adversarial transfer, seed 7",))
    assert judge(network(), [planned], 10, ONE_POINT, curves=False).tickets[0].missing == (
        "ticket: adversarial transfer, seed 7",
    )


def test_three_numbers_leave_out_ra_after_standard_transfer() -> None:
    short = network(3, levels=lower({STANDARD_RA: 5}))
    three = VerdictPart(margin_sa=1, margin_ra=1, numbers=3)
    assert verdicts(network(), short) == [Verdict.NOT]
    assert verdicts(network(), short, settings=three) == [Verdict.DOUBLE_WIN]


def test_a_win_beyond_a_failed_ticket_is_shown_as_such() -> None:
    tickets = [network(3), network(6, levels=lower({STANDARD_SA: 3})), network(8)]
    found = judge(network(), tickets, 10, ONE_POINT, curves=False).tested
    assert found is not None
    assert found.rounds == (3, 6, 8)
    assert (found.wins, found.extreme, found.beyond) == ((3,), 3, (8,))
    assert found.procedure == "fixed-sequence"
    other = judge(network(), tickets, 10, ONE_POINT, curves=False, procedure="holm").tested
    assert other is not None
    assert (other.wins, other.extreme, other.beyond) == ((3, 8), 8, (8,))


def test_a_declared_round_that_was_not_run_counts_as_failed() -> None:
    declared = VerdictPart(margin_sa=1, margin_ra=1, rounds=(3, 6))
    found = judge(network(), [network(3)], 10, declared, curves=False).tested
    assert found is not None
    assert found.adjusted[1] == 1.0
    assert found.wins == (3,)


def test_the_family_costs_what_a_single_ticket_does_not() -> None:
    # Its own p-value lies between 0.05 / 6 and 0.05: alone it wins, among six failures it does not.
    border = network(3, levels=lower({STANDARD_SA: 0.75}))
    failing = [network(r, levels=lower({STANDARD_SA: 5})) for r in (6, 8, 10, 12, 15)]
    found = judge(network(), [border, *failing], 10, ONE_POINT, curves=False, procedure="holm")
    assert 0.05 / 6 < found.tickets[0].p < 0.05
    assert found.tickets[0].verdict is Verdict.DOUBLE_WIN
    assert found.tested is not None
    assert found.tested.wins == ()
    assert found.sparsest is found.tickets[0]


def test_the_papers_rule_stands_on_the_dense_spread() -> None:
    # 25 images of 10,000 short; the dense seeds' deviation is 15.8 images, or 79 images.
    ticket = network(3, levels=lower({STANDARD_SA: 0.25}))
    paper = VerdictPart(rule="paper")
    assert verdicts(network(spread=10), ticket, settings=paper) == [Verdict.UNDECIDED]
    assert verdicts(network(spread=50), ticket, settings=paper) == [Verdict.DOUBLE_WIN]
    assert judge(network(), [ticket], 10, paper).tested is None


def test_a_number_that_the_dense_network_lacks_has_no_margin() -> None:
    found = judge(network(without=[STANDARD_RA]), [network(3)], 10, ONE_POINT, curves=False)
    margins = [c.margin for c in found.tickets[0].comparisons if isinstance(c, Comparison)]
    assert margins == [0.01, 0.0, 0.01, 0.01]
    assert found.tickets[0].p == 1


def test_the_other_rule_can_be_asked_for_beside_the_one_that_decides() -> None:
    found = judge(network(), [network(3)], 10, ONE_POINT, rule="paper")
    assert found.rule == "paper"
    assert found.tickets[0].p == 1  # the paper's rule has none
    assert found.tickets[0].verdict is Verdict.DOUBLE_WIN


def test_estimate_and_test_come_together() -> None:
    tickets = [network(3), network(6, levels=lower({STANDARD_SA: 2}))]
    found = judge(network(), tickets, 10, ONE_POINT)
    assert found.estimated is not None
    assert found.estimated.joint.round == pytest.approx(4.5)
