from __future__ import annotations

from pathlib import Path

import numpy as np

from dwlt.report import collect
from dwlt.results import TransferResult
from dwlt.results.outcomes import Outcomes
from dwlt.spec.verdict import VerdictPart
from dwlt.verdict.contenders import contenders
from dwlt.verdict.groups import Group, form_groups
from dwlt.verdict.judge import Verdict, judge
from dwlt.verdict.outcomes import NUMBERS
from dwlt.verdict.together import View, judge_group
from tests.report.make import Maker

WIDE = VerdictPart(margin_sa=20, margin_ra=20)


def group(
    root: Path, seeds: tuple[int, ...] = (0, 1, 2), ticket: tuple[int, ...] | None = None
) -> Group:
    make = Maker(root)
    make.pretrain()
    for number, of in ((0, seeds), (3, seeds if ticket is None else ticket)):
        make.prune(number)
        for regime in ("standard", "adversarial"):
            for seed in of:
                make.cell(number, regime, 90 + seed, 50 + seed, seed=seed)
    data = collect(root)
    (only,), _ = form_groups(data.transfer, data.prune)
    return only


def test_a_group_becomes_networks_with_counts(tmp_path: Path) -> None:
    dense, tickets = contenders(group(tmp_path))
    assert dense is not None
    assert dense.numbers[NUMBERS[0]].correct == (90, 91, 92)
    assert dense.numbers[NUMBERS[1]].correct == (50, 51, 52)
    found = judge(dense, tickets, 5, WIDE, curves=False).tickets[0]
    assert found.verdict is Verdict.DOUBLE_WIN
    assert "judged by counts" in found.notes[0]


def held(cell: TransferResult, kind: str, strict: bool) -> Outcomes:
    accuracy = cell.of_one_checkpoint(kind) if strict else cell.accuracy(kind)
    assert accuracy is not None
    return Outcomes(np.arange(accuracy.n) < accuracy.correct, "b3:images")


def test_outcomes_that_are_on_file_are_paired(tmp_path: Path) -> None:
    dense, tickets = contenders(group(tmp_path), outcomes=held)
    found = judge(dense, tickets, 5, WIDE, curves=False).tickets[0]
    assert found.notes == ()


def test_outcomes_that_do_not_fit_the_count_or_lack_a_seed_are_not_used(tmp_path: Path) -> None:
    made = group(tmp_path)

    def wrong(cell: TransferResult, kind: str, strict: bool) -> Outcomes | None:
        return None if cell.seed == 1 else held(cell, kind, strict)

    def other(cell: TransferResult, kind: str, strict: bool) -> Outcomes:
        return Outcomes(~held(cell, kind, strict).bits, "b3:images")

    for lookup in (wrong, other):
        dense, _ = contenders(made, outcomes=lookup)
        assert dense is not None
        assert dense.numbers[NUMBERS[0]].bits is None


def test_a_seed_that_one_side_lacks_is_missing_in_a_grid_and_not_on_the_frontier(
    tmp_path: Path,
) -> None:
    made = group(tmp_path, ticket=(0, 1))
    dense, tickets = contenders(made)
    found = judge(dense, tickets, 5, WIDE, curves=False).tickets[0]
    assert found.verdict is Verdict.INCOMPLETE
    assert found.missing == (
        "ticket: standard transfer, seed 2",
        "ticket: adversarial transfer, seed 2",
    )
    dense, tickets = contenders(made, same_seeds=False)
    assert judge(dense, tickets, 5, WIDE, curves=False).tickets[0].missing == ()


def test_one_checkpoint_takes_both_numbers_of_the_best_ra(tmp_path: Path) -> None:
    made = group(tmp_path)
    dense, _ = contenders(made, strict=True)
    assert dense is not None
    assert made.dense is not None
    expected = [cell.of_one_checkpoint("sa") for cell in made.dense.cells["standard"]]
    assert [a.correct for a in expected if a] == list(dense.numbers[NUMBERS[0]].correct)


def test_a_group_is_judged_in_every_way_and_the_settings_say_which_decides(tmp_path: Path) -> None:
    made = group(tmp_path)
    found = judge_group(made, WIDE)
    assert len(found.views) == 4
    assert found.decides is found.views[View("margin", False)]
    assert found.decides.estimated is not None
    assert all(j.estimated is None for j in found.views.values() if j is not found.decides)
    paper = judge_group(made, VerdictPart(rule="paper", strict=True))
    assert paper.decides is paper.views[View("paper", True)]
    assert paper.decides.tickets[0].verdict is Verdict.DOUBLE_WIN
