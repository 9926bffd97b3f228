"""Evaluations in the report: numbers on other images or another n never share a table."""

from __future__ import annotations

from typing import Any

import pytest

from dwlt.report import assess, collect
from dwlt.report.evaluations import (
    comparable,
    corruption_table,
    evaluation_table,
    interval,
    sweep_points,
)
from dwlt.report.figures import sweep_figure
from dwlt.report.page import render
from dwlt.report.table import PlainTable, plain
from dwlt.results import Accuracy, EvaluateResult
from tests.report.make import PAPER, Maker, accuracy, score


def evaluation(make: Maker, run_id: str, **over: Any) -> None:
    common = make.common("evaluate", "m", run_id)
    task = {**common["task"], **over.pop("task", {})}
    value = {**common, "model": f"{run_id}.safetensors", "test": score(80, 20), **over}
    make.write(f"evaluate/m-{run_id}/result.json", {**value, "task": task})


def read(make: Maker) -> tuple[EvaluateResult, ...]:
    data = collect(make.root)
    assert data.warnings == ()
    return data.evaluate


def tables_of(make: Maker) -> list[PlainTable]:
    return [plain(evaluation_table(group)) for group in comparable(collect(make.root).evaluate)]


def test_other_n_and_other_images_are_other_tables(make: Maker) -> None:
    notes = ["100 of 224 test images are used"]
    evaluation(make, "0a0a0a01", task={"notes": notes})
    evaluation(make, "0a0a0a02")
    evaluation(make, "0a0a0a03", test=score(8, 2, n=10))
    evaluation(make, "0a0a0a04", task={"fingerprint": "ffffffffffff"})
    # Other training images, but the test images of the last one, as its digest says.
    evaluation(make, "0a0a0a05", task={"fingerprint": "eeeeeeeeeeee"}, images="ffffffffffff")
    groups = comparable(collect(make.root).evaluate)
    assert [group.title for group in groups] == [
        "digits:5-9, n = 100, images b2:01234",
        "digits:5-9, n = 10",
        "digits:5-9, n = 100, images ffffffff",
    ]
    assert [len(group.results) for group in groups] == [2, 1, 2]
    assert groups[0].notes == ("100 of 224 test images are used",)
    tables = tables_of(make)
    assert [len(table.rows) for table in tables] == [2, 1, 2]
    assert tables[1].title == "Evaluations on digits:5-9, n = 10"


def test_attacks_masks_and_sources_are_named(make: Maker) -> None:
    attacks = [
        {"name": "apgd-ce", "tried": 80, "fooled": 50, "ra": accuracy(30)},
        {"name": "square", "tried": 30, "fooled": 10, "ra": accuracy(20)},
    ]
    named = {"mask": "k.safetensors", "from": "other.safetensors"}
    flags = [{"code": "square-stronger", "text": "Square is stronger"}]
    evaluation(make, "0a0a0a01", attacks=attacks, flags=flags, **named)
    (table,) = tables_of(make)
    model, attack, sa, ra, after, flags_shown = table.rows[0]
    assert flags_shown == "square-stronger"
    assert model == ("0a0a0a01.safetensors, masks k.safetensors, attack made on other.safetensors")
    assert attack == "pgd-20 linf 8/255"
    # Wilson: (80 + 1.92 -+ 1.96 sqrt(16 + 0.96)) / 103.84.
    assert sa == "80.00 [71.12, 86.66]"
    assert ra == "20.00 [13.34, 28.88]"
    assert after == "apgd-ce 30.00, square 20.00"
    page = render(assess(collect(make.root), settings=PAPER))
    assert "square-stronger" in page
    assert "apgd-ce 30.00, square 20.00" in page


def test_a_sweep_and_corruptions_are_on_the_page(make: Maker) -> None:
    sweep = [{"eps": eps, "ra": accuracy(n)} for eps, n in (("0", 80), ("1/8", 40), ("1", 0))]
    rows = [
        {"name": "fog", "severity": severity, "sa": accuracy(80 - 10 * severity)}
        for severity in range(1, 6)
    ]
    evaluation(
        make, "0a0a0a01", sweep=sweep, corruptions={"source": "x", "mean": 0.5, "rows": rows}
    )
    (result,) = read(make)
    assert plain(corruption_table(result)).rows == (
        ("fog", "70.00", "60.00", "50.00", "40.00", "30.00", "50.00"),
    )
    page = render(assess(collect(make.root), settings=PAPER))
    assert "RA over eps: 80.0% at 0, 40.0% at 1/8, 0.0% at 1" in page
    assert "severity" in page
    drawn = sweep_figure(sweep_points(result), "pgd-20")
    assert drawn.keys() == {"png", "svg", "pdf"}
    assert drawn["svg"] == sweep_figure(sweep_points(result), "pgd-20")["svg"]


def test_nothing_evaluated_is_no_section(study: Maker) -> None:
    for path in (study.root / "evaluate").glob("*/result.json"):
        path.unlink()
    assert "<h2>Evaluations</h2>" not in render(assess(collect(study.root), settings=PAPER))


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"attacks": [{"name": "a", "tried": 1, "fooled": 2, "ra": accuracy(1)}]}, "fooled"),
        ({"sweep": [{"eps": "1/x", "ra": accuracy(1)}]}, "an eps of the sweep"),
        ({"corruptions": {"rows": [{"name": "fog", "severity": 6}]}}, "severity"),
    ],
)
def test_what_cannot_be_is_a_warning(make: Maker, over: dict[str, Any], message: str) -> None:
    evaluation(make, "0a0a0a01", **over)
    data = collect(make.root)
    assert data.evaluate == ()
    assert message in data.warnings[0].text


def test_intervals() -> None:
    assert interval(None) == "–"
    assert interval(Accuracy(0, 10)) == "0.00 [0.00, 27.75]"
