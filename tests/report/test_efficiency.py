"""Data efficiency: what is drawn over fractions, and only where there are two or more."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from dwlt.report import Report, assess, collect, figures, write_report
from dwlt.report.drawing import layout
from dwlt.report.export import csv_files, json_text
from dwlt.report.page import render
from dwlt.report.plots import colour_names, efficiency_panels, looks
from dwlt.verdict.fractions import choose
from dwlt.verdict.judge import Verdict
from dwlt.verdict.outcomes import NUMBERS
from tests.report.grid import make_grid
from tests.report.make import KEPT, PAPER, TOTAL, Maker

WIN = ([90], [20], [85], [50])


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def drawn(report: Report) -> dict[str, bytes]:
    """The figure of data efficiency."""
    return next(made for stem, made in figures.draw_all(report) if stem.startswith("data-"))


def report_of(make: Maker) -> Report:
    return assess(collect(make.root), settings=PAPER)


def fractions(make: Maker, *shares: float, rounds: tuple[int, ...] = (0, 6, 10)) -> Report:
    for share in shares:
        for number in rounds:
            make.network(number, WIN, fraction=share, salt=str(share))
    return report_of(make)


def test_one_fraction_is_no_curve(make: Maker) -> None:
    report = fractions(make, 1.0)
    assert report.efficiency == ()
    assert "Data efficiency" not in render(report)
    assert "efficiency.csv" not in csv_files(report)


def test_networks_over_rising_fractions(make: Maker) -> None:
    fractions(make, 1.0, 0.01, 0.1)
    make.network(6, ([60], [20], [85], [50]), fraction=0.5, salt="half")
    (table,) = report_of(make).efficiency
    assert table.title == "digits:5-9"
    assert table.fractions == (0.01, 0.1, 0.5, 1.0)
    (curve,) = table.curves
    assert curve.name == "adversarial"
    assert [series.name for series in curve.series] == ["dense", "73.80%", "89.30%"]
    dense, ticket, _ = curve.series
    assert [point.fraction for point in dense.points] == [0.01, 0.1, 1.0]
    assert [point.state for point in dense.points] == ["dense"] * 3
    # At one half there is no dense network to hold the ticket against.
    assert [point.state for point in ticket.points] == [
        *(Verdict.DOUBLE_WIN, Verdict.DOUBLE_WIN, Verdict.INCOMPLETE, Verdict.DOUBLE_WIN),
    ]
    half = ticket.points[2].numbers[NUMBERS[0]]
    assert (half.correct, half.n) == ((60,), 100)


def test_the_tickets_drawn_are_those_nearest_to_the_papers() -> None:
    nets = [(number, KEPT[number], TOTAL) for number in KEPT if number]
    assert [number for number, _, _ in choose(nets)] == [6, 10]
    assert [number for number, _, _ in choose(nets[:2])] == [3]
    assert choose([]) == []


def test_a_round_of_one_fraction_is_not_drawn(make: Maker) -> None:
    fractions(make, 1.0, 0.1, rounds=(0, 10))
    make.network(6, WIN)
    (table,) = report_of(make).efficiency
    assert [series.round for series in table.curves[0].series] == [0, 10]


def test_other_searches_and_measures_have_tables_of_their_own(make: Maker) -> None:
    fractions(make, 1.0, 0.1)
    search = {"id": "standard", "name": "digits", "method": "imp", "regime": "standard"}
    for share in (1.0, 0.1):
        make.network(6, WIN, prune=search, fraction=share, salt=f"s{share}", mask="b3:s")
        make.network(6, WIN, method="random", fraction=share, salt=f"r{share}")
        make.network(6, WIN, fraction=share, salt=f"n{share}", n=200)
    report = report_of(make)
    assert [table.title for table in report.efficiency] == [
        "digits:5-9",  # measured on 200 images, by one search
        "digits:5-9: tickets of the adversarial search",
        "digits:5-9: tickets of the standard search",
    ]


def test_each_pretraining_may_be_searched_under_its_own_regime(make: Maker) -> None:
    for regime in ("standard", "adversarial"):
        start = {"id": f"p{regime}", "name": "n", "regime": regime}
        search = {"id": f"s{regime}", "name": "n", "method": "imp", "regime": regime}
        for share in (1.0, 0.1):
            for number in (0, 6):
                salt = f"{regime}{share}"
                over: dict[str, Any] = {"pretrain": start, "prune": search, "fraction": share}
                make.network(number, WIN, weights=f"b3:{regime}", salt=salt, **over)
    (table,) = report_of(make).efficiency
    assert [curve.name for curve in table.curves] == ["standard", "adversarial"]


def test_all_pretrainings_share_a_figure_in_their_own_colours(make: Maker) -> None:
    make_grid(make, tasks=("cifar10",), rounds=(0, 6, 10), control_rounds=())
    (table,) = report_of(make).efficiency
    assert colour_names(table) == {
        "standard": "standard",
        "fast": "fast",
        "adversarial": "adversarial",
    }
    assert {name: sign for name, (_, _, sign) in looks(table).items()} == {
        "73.80%": "◆",
        "89.30%": "●",
    }
    made = drawn(report_of(make))
    assert set(made) == set(figures.FORMATS)
    assert ET.fromstring(made["svg"]).tag == "{http://www.w3.org/2000/svg}svg"
    panels = efficiency_panels(table)
    assert len(panels) == len(NUMBERS)
    for panel in panels:
        assert {line["colour"] for line in layout(panel)["lines"]} == set(colour_names(table))
        assert len(panel.lines) == 9


def test_a_ticket_looks_the_same_in_a_curve_that_lacks_the_other(make: Maker) -> None:
    for regime, rounds in (("standard", (0, 6, 10)), ("fast", (0, 10))):
        start = {"id": f"p{regime}", "name": "n", "regime": regime}
        search = {"id": f"s{regime}", "name": "n", "method": "imp", "regime": regime}
        for share in (1.0, 0.1):
            for number in rounds:
                salt = f"{regime}{share}"
                over: dict[str, Any] = {"pretrain": start, "prune": search, "fraction": share}
                make.network(number, WIN, weights=f"b3:{regime}", salt=salt, **over)
    (table,) = report_of(make).efficiency
    assert [len(curve.series) for curve in table.curves] == [3, 2]
    assert looks(table)["89.30%"][0] == "circle"
    assert drawn(report_of(make))["png"].startswith(b"\x89PNG")


def test_curves_on_the_page_and_in_files(make: Maker) -> None:
    fractions(make, 1.0, 0.1)
    paths = write_report(make.root, make.root.parent / "out", PAPER, figures=True)
    text = paths.page.read_text(encoding="utf-8")
    assert "Data efficiency" in text
    # Two groups and the curves, four panels each.
    assert text.count("<svg") == 12
    assert (
        "SA, standard transfer, percent, by share of the training data: adversarial dense: " in text
    )
    names = [path.name for path in paths.figures if path.name.startswith("data-")]
    assert sorted(path.rpartition(".")[2] for path in names) == ["pdf", "png", "svg"]
    lines = rows(paths.page.parent / "efficiency.csv")
    assert len(lines) == 3 * 2 * 4
    assert lines[0]["verdict"] == "dense"
    assert (lines[0]["fraction"], lines[0]["value_mean"]) == ("0.1", "0.900000")
    (entry,) = json.loads(json_text(paths.data))["data_efficiency"]
    assert [one["fraction"] for one in entry["extreme_sparsity"]] == [0.1, 1.0]
    assert [one["ticket"]["kept"] for one in entry["extreme_sparsity"]] == [107, 107]
    assert [series["round"] for series in entry["networks"]] == [0, 6, 10]
