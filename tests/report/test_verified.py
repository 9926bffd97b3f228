"""A verdict beside itself under AutoAttack: which evaluations count, and what is said of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dwlt import _core
from dwlt.report import Report, assess, collect, plain_tables, summary
from dwlt.report.export import csv_files, json_text
from dwlt.report.page import render
from dwlt.results.outcomes import OutcomeTable, to_bytes
from dwlt.runs.outcomes import NotedOutcomes
from dwlt.spec import load_experiment
from dwlt.spec.verdict import VerdictPart
from tests.report.make import PAPER, Maker, id8, score

AUTO = "autoattack linf 8/255"
WIN = ([90], [20], [85], [50])


def attacked(make: Maker, path: Path, ra: int, *, attack: str = AUTO, **over: Any) -> Path:
    """An evaluation of the best-RA checkpoint of the transfer whose result lies at ``path``."""
    run_id = id8("evaluate", path, attack, sorted(over.items(), key=str))
    common = make.common("evaluate", "best-ra", run_id)
    model = f"elsewhere/{path.parent.relative_to(make.root).as_posix()}/best-ra.safetensors"
    value = {**common, "model": model, "test": score(70, ra, attack=attack), **over}
    return make.write(f"evaluate/best-ra-{run_id}/result.json", value)


def verified(make: Maker, number: int, ra: int, **over: Any) -> None:
    """All transfers of a network attacked: RA after standard is 10, after adversarial ``ra``."""
    for path in make.root.glob("transfer/*/result.json"):
        value = json.loads(path.read_bytes())
        if value["round"] == number:
            attacked(make, path, 10 if value["regime"] == "standard" else ra, **over)


def report_of(make: Maker, settings: VerdictPart = PAPER) -> Report:
    data = collect(make.root)
    assert data.warnings == ()
    return assess(data, settings=settings)


def study_of(make: Maker) -> None:
    for number in (0, 3, 6):
        make.network(number, WIN)


def test_nothing_is_said_where_nothing_was_verified(make: Maker) -> None:
    study_of(make)
    report = report_of(make)
    assert report.verified == {}
    assert "verified.csv" not in csv_files(report)
    assert "Verified" not in render(report)
    assert summary(report).command == "dwlt verify"


def test_a_win_that_stands_is_called_after_autoattack(make: Maker) -> None:
    study_of(make)
    verified(make, 0, 40)
    verified(make, 6, 40)
    report = report_of(make)
    (one,) = report.verified.values()
    assert [t.ticket.round for t in one.after.tickets] == [6]
    found = summary(report)
    assert "extreme sparsity under AutoAttack is 73.80%" in found.found
    assert found.command == "dwlt transfer --to TASK"
    (line,) = csv.DictReader(csv_files(report)["headline.csv"].splitlines())
    assert (line["verified_sparsity"], line["verified_attack"]) == ("73.80%", AUTO)
    (table,) = [t for t in plain_tables(report) if t.title.startswith("Verified")]
    assert [(row[0], row[1], row[2]) for row in table.rows] == [
        ("73.80%", "PGD-20", "double-win"),
        ("73.80%", "AutoAttack", "double-win"),
    ]
    # RA is the evaluations', SA that of the transfer.
    assert [row[-2].split()[0] for row in table.rows] == ["50.00", "40.00"]
    assert [row[-3].split()[0] for row in table.rows] == ["85.00", "85.00"]
    assert "Verified by a stronger attack" in render(report)


def test_a_win_that_falls_keeps_the_weaker_name_and_says_what_is_left(make: Maker) -> None:
    study_of(make)
    for number, ra in ((0, 40), (3, 40), (6, 5)):
        verified(make, number, ra)
    report = report_of(make)
    found = summary(report).found
    assert "under PGD-20 is 73.80%" in found
    assert found.endswith("; under AutoAttack it is 48.80%")
    (one,) = json.loads(json_text(report))["verified"]
    assert one["extreme_sparsity"]["round"] == 3
    assert [row["verdict"] for row in one["tickets"]] == ["double-win"] * 3 + ["not"]


def test_where_no_verified_ticket_is_left_the_sentence_says_so(make: Maker) -> None:
    study_of(make)
    verified(make, 0, 40)
    verified(make, 6, 5)
    report = report_of(make)
    assert "under AutoAttack no verified ticket is shown" in summary(report).found
    (line,) = csv.DictReader(csv_files(report)["headline.csv"].splitlines())
    assert (line["verified_sparsity"], line["verified_attack"]) == ("", AUTO)


@pytest.mark.parametrize(
    "over",
    [
        {"attack": "autoattack linf 4/255"},
        {"attack": "square linf 8/255"},
        {"attack": "pgd-50 linf 8/255"},
        {"from": "other.safetensors"},
        {"mask": "mask.safetensors"},
        {"test": score(70, 40, n=200, attack=AUTO)},
    ],
)
def test_evaluations_that_ask_something_else_stay_out(make: Maker, over: dict[str, Any]) -> None:
    study_of(make)
    verified(make, 0, 40, **over)
    verified(make, 6, 40, **over)
    assert report_of(make).verified == {}


def test_half_a_verification_is_none(make: Maker) -> None:
    study_of(make)
    verified(make, 0, 40)
    verified(make, 3, 40)
    for path in make.root.glob("transfer/*/result.json"):
        value = json.loads(path.read_bytes())
        if (value["round"], value["regime"]) == (6, "standard"):
            attacked(make, path, 10)
    report = report_of(make)
    (one,) = report.verified.values()
    assert [t.ticket.round for t in one.after.tickets] == [3]
    assert one.partial == (6,)
    # The ticket that decides was not verified.
    assert "under PGD-20" in summary(report).found
    assert summary(report).command == "dwlt verify"


def test_outcomes_of_the_evaluation_are_paired(make: Maker, tmp_path: Path) -> None:
    ids = np.arange(100, dtype=np.int64)

    def outcomes(path: Path, **counts: int) -> str:
        rows = {name.replace("__", "."): ids < count for name, count in counts.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(to_bytes(OutcomeTable(ids, "b2:images", rows)))
        return _core.digest_file(str(path))

    for number in (0, 6):
        for regime, sa, ra in (("standard", 90, 20), ("adversarial", 85, 50)):
            made = tmp_path / "made.safetensors"
            digest = outcomes(made, best_sa__sa=sa, best_ra__ra=ra)
            path = make.cell(number, regime, sa, ra, outcomes=digest)
            made.rename(path.parent / "outcomes.safetensors")
            digest = outcomes(made, ra=10)
            result = attacked(make, path, 10, outcomes=digest)
            made.rename(result.parent / "outcomes.safetensors")
    files = NotedOutcomes(make.root)
    report = assess(collect(make.root), outcomes=files)
    assert files.notices == ()
    (one,) = report.verified.values()
    (ticket,) = one.after.tickets
    kept = {number.key: measured for number, measured in ticket.ticket.numbers.items()}
    assert all(measured.bits is not None for measured in kept.values())
    assert kept["adversarial_ra"].correct == (10,)
    assert kept["adversarial_sa"].correct == (85,)


def test_controls_are_not_verified(make: Maker) -> None:
    for number in (0, 6):
        make.network(number, WIN, method="random")
        verified(make, number, 40)
    assert report_of(make).verified == {}


def test_the_advice_at_the_floor_lengthens_both_transfers() -> None:
    changes = ["transfer.standard.epochs=77", "transfer.adversarial.epochs=78"]
    experiment = load_experiment(None, changes)
    assert experiment.transfer_spec("standard", 0, 0).train.epochs == 77
    assert experiment.transfer_spec("adversarial", 0, 0).train.epochs == 78
