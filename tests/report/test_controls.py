"""Tickets against controls: who is held against whom, and the difference worked out by hand."""

from __future__ import annotations

import csv
import json
from math import sqrt

import pytest

from dwlt.report import Report, assess, collect, plain_tables
from dwlt.report.export import csv_files, json_text
from dwlt.report.page import render
from dwlt.report.plots import group_panels
from dwlt.verdict.controls import ControlTable, Lead, difference
from dwlt.verdict.judge import Verdict
from dwlt.verdict.outcomes import NUMBERS, Measured
from tests.report.make import ATTACK, PAPER, Maker, attack_settings, id8

DENSE = ([90], [20], [85], [50])
IMP = id8("prune", "digits", "imp")


def report_of(make: Maker) -> Report:
    return assess(collect(make.root), settings=PAPER)


def only_table(make: Maker) -> ControlTable:
    (table,) = report_of(make).controls
    return table


def level(*correct: int, n: int = 100) -> Measured:
    return Measured.of_counts(dict(enumerate(correct)), n)


@pytest.mark.parametrize(
    ("control", "state"),
    [
        # One seed: errors sqrt(.0009 + .78*.22/100) = .0511; 1.96 of it .1002, lead .12.
        (78, Lead.TICKET),
        (82, Lead.UNCLEAR),  # error sqrt(.0009 + .82*.18/100) = .0487; reach .0955, lead .08
        (90, Lead.UNCLEAR),
        (99, Lead.CONTROL),  # error sqrt(.0009 + .99*.01/100) = .0316; reach .0619, lead -.09
        (94, Lead.UNCLEAR),
    ],
)
def test_the_lead_of_one_seed(control: int, state: Lead) -> None:
    found = difference(NUMBERS[0], level(90), level(control))
    assert found.lead == pytest.approx((90 - control) / 100)
    assert found.state is state


def test_the_lead_over_seeds_has_students_reach() -> None:
    # Variances 4e-4 and 1e-4, pooled 2.5e-4, times 2/3: error 0.01291; 2.776 of it: 0.0358.
    found = difference(NUMBERS[0], level(88, 90, 92), level(85, 86, 87))
    assert found.error == pytest.approx(sqrt(2.5e-4 * 2 / 3))
    assert found.lead == pytest.approx(0.04)
    assert found.state is Lead.TICKET
    nearer = difference(NUMBERS[0], level(88, 90, 92), level(86, 87, 88))
    assert nearer.lead == pytest.approx(0.03)
    assert nearer.state is Lead.UNCLEAR


def test_the_tickets_figures_show_their_controls(make: Maker) -> None:
    make.network(0, DENSE)
    make.network(6, DENSE)
    make.network(6, ([60], [1], [85], [50]), method="random")
    report = report_of(make)
    (table,) = report.controls
    control, tickets = group_panels(table.group, table)[0].lines
    assert (control.name, control.colour, tickets.name) == ("random", "other", "tickets")
    ((mine,), (its,)) = (tickets.marks, control.marks)
    assert (its.x, its.y, its.marker) == (mine.x, 0.6, "dot")
    assert len(group_panels(table.group)[0].lines) == 1
    assert "<title>random</title>" in render(report)


def test_every_control_stands_beside_the_ticket_of_its_round(make: Maker) -> None:
    make.network(0, DENSE)
    make.network(6, DENSE)
    make.network(10, DENSE)
    for method in ("reinit", "random", "oneshot", "shuffled", "layerwise-random", "new-idea"):
        make.network(6, ([60], [1], [85], [50]), method=method)
    table = only_table(make)
    (round_,) = table.rounds
    assert round_.ticket.ticket.round == 6
    assert [control.name for control in round_.controls] == [
        *("oneshot", "random", "layerwise-random", "shuffled", "reinit", "new-idea"),
    ]
    first = round_.controls[0]
    assert first.verdict.verdict is Verdict.NOT
    assert [found.state for found in first.differences] == [
        *(Lead.TICKET, Lead.TICKET, Lead.UNCLEAR, Lead.UNCLEAR),
    ]
    assert table.tally()["random"] == {Lead.TICKET: 2, Lead.UNCLEAR: 2}


def test_a_control_may_differ_by_the_rounding_of_its_layers_and_no_more(make: Maker) -> None:
    make.network(0, DENSE)
    make.network(6, DENSE)  # keeps 262 in two layers
    near = [{"name": "a", "kept": 264, "total": 1000}]
    far = [{"name": "a", "kept": 265, "total": 1000}]
    make.network(6, DENSE, method="layerwise-random", kept=264, layers=near)
    make.network(6, DENSE, method="oneshot", kept=265, layers=far)
    (round_,) = only_table(make).rounds
    assert [control.name for control in round_.controls] == ["layerwise-random"]


def test_a_control_made_from_a_search_is_held_against_that_one_alone(make: Maker) -> None:
    other = {"id": "0therone", "name": "digits", "method": "imp", "regime": "standard"}
    make.network(0, DENSE)
    make.network(6, DENSE)
    make.network(6, DENSE, prune=other, salt="other", mask="b3:other")
    shuffled = {
        "id": "shuffled",
        "name": "digits",
        "method": "shuffled",
        "regime": "none",
        "of": {"id": "0therone", "name": "digits"},
    }
    make.network(6, DENSE, prune=shuffled, salt="shuffled", mask="b3:shuffled")
    (table,) = report_of(make).controls
    assert table.group.group.prune.id == "0therone"


def test_oneshot_is_held_against_the_search_under_its_regime(make: Maker) -> None:
    make.network(0, DENSE)
    make.network(6, DENSE)  # adversarial search
    standard = {"id": "standard", "name": "digits", "method": "imp", "regime": "standard"}
    make.network(6, DENSE, prune=standard, salt="standard", mask="b3:standard")
    make.network(6, DENSE, method="oneshot")  # adversarial too
    (table,) = report_of(make).controls
    assert table.group.group.prune.id == IMP


def test_random_masks_are_held_against_every_search(make: Maker) -> None:
    make.network(0, DENSE)
    make.network(6, DENSE)
    standard = {"id": "standard", "name": "digits", "method": "imp", "regime": "standard"}
    make.network(6, DENSE, prune=standard, salt="standard", mask="b3:standard")
    drawn = {"id": "randomly", "name": "digits", "method": "random", "regime": "none"}
    make.network(6, DENSE, prune=drawn, salt="random", mask="b3:random")
    assert len(report_of(make).controls) == 2


def test_other_tasks_fractions_and_measures_are_not_compared(make: Maker) -> None:
    make.network(0, DENSE)
    make.network(6, DENSE)
    make.network(6, DENSE, method="random", fraction=0.1, salt="tenth")
    make.network(6, DENSE, method="oneshot", attack="autoattack linf 8/255")
    assert report_of(make).controls == ()


def test_other_training_settings_make_no_difference_to_report(make: Maker) -> None:
    make.network(0, DENSE)
    make.network(6, DENSE)
    spec = {"name": "digits", "train": {"epochs": 1}, **attack_settings(ATTACK)}
    for number in (6, 10, 15):  # more than the dense cells, so that they settle their own group
        make.network(number, DENSE, method="random", spec=spec)
    (round_,) = only_table(make).rounds
    states = {found.state for control in round_.controls for found in control.differences}
    assert states == {Lead.MISSING}
    assert "not comparable" in render(report_of(make))


def test_reinit_is_held_against_the_dense_network_of_its_pretraining(make: Maker) -> None:
    """Its weights are new, and another search's dense network stands beside."""
    make.network(0, DENSE)
    make.network(6, DENSE)
    make.network(0, ([99], [90], [99], [90]), weights="b3:else", salt="else", prune=_prune("else"))
    make.prune(0, method="reinit")
    make.network(6, ([60], [1], [60], [1]), method="reinit", weights="b3:fresh")
    group = next(g for g in report_of(make).groups if g.group.prune.method == "reinit")
    assert group.group.dense is not None
    assert group.dense_numbers()[NUMBERS[0]].correct == (90,)
    assert group.tickets[0].verdict is Verdict.NOT


def _prune(run_id: str) -> dict[str, str]:
    return {"id": run_id, "name": "digits", "method": "imp", "regime": "fast"}


def test_rounds_of_a_search_without_rewinding_share_the_dense_network(make: Maker) -> None:
    """The weights of each round's ticket are its own."""
    late = {**_prune("nowhere1"), "rewind": "none"}
    make.network(0, DENSE)
    make.network(6, DENSE, prune=late, weights="b3:after6", salt="late")
    make.network(10, DENSE, prune=late, weights="b3:after10", salt="late")
    (group,) = report_of(make).groups
    assert [t.verdict for t in group.tickets] == [Verdict.DOUBLE_WIN] * 2
    assert group.group.prune.rewind == "none"


def test_controls_on_the_terminal_the_page_and_in_files(make: Maker) -> None:
    make.network(0, DENSE)
    make.network(6, DENSE)
    make.network(6, ([60], [1], [85], [50]), method="random")
    report = report_of(make)
    tables = plain_tables(report)
    # The control's group has no table of its own.
    assert len(tables) == 3
    assert tables[-1].rows == (("adversarial → digits:5-9", "random", "2", "2", "0"),)
    text = render(report)
    assert "Tickets against controls" in text
    assert "−30.00 worse" in text
    assert "0.00 unclear" in text
    assert text.count("<svg") == 4
    lines = list(csv.DictReader(csv_files(report)["controls.csv"].splitlines()))
    assert [line["better"] for line in lines] == ["ticket", "ticket", "unclear", "unclear"]
    assert lines[0]["lead"] == "0.300000"
    (entry,) = json.loads(json_text(report))["controls"]
    numbers = entry["controls"][0]["numbers"]
    assert numbers["standard_sa"]["better"] == "ticket"
    assert numbers["standard_sa"]["lead"] == pytest.approx(0.3)
    assert entry["ticket"]["numbers"]["standard_sa"]["correct"] == [90]
