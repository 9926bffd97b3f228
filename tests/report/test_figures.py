"""Figures: there, of the right kind, the same each time, and without side effects."""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest

from dwlt.report import Report, assess, collect
from dwlt.report import figures as drawing
from dwlt.report.drawing import layout
from dwlt.report.masks import DensityTable, LayersOf, density_tables
from dwlt.report.plots import choose_ticks, group_panels, position
from dwlt.results import Layer
from dwlt.verdict.outcomes import NUMBERS
from tests.report.make import PAPER, Maker


@pytest.fixture
def report(study: Maker) -> Report:
    return assess(collect(study.root), settings=PAPER)


def only(make: Maker) -> dict[str, bytes]:
    """The figure of the only group."""
    (verdict,) = assess(collect(make.root), settings=PAPER).groups
    return drawing.group_figure(verdict)


def test_curves_in_all_formats(report: Report) -> None:
    made = drawing.group_figure(report.groups[0])
    assert set(made) == set(drawing.FORMATS)
    assert made["png"].startswith(b"\x89PNG")
    assert made["pdf"].startswith(b"%PDF")
    assert ET.fromstring(made["svg"]).tag == "{http://www.w3.org/2000/svg}svg"
    assert min(map(len, made.values())) > 5000
    for trace in (b"<dc:date>", b"Matplotlib v", b"CreationDate"):
        assert not any(trace in content for content in made.values())


def test_the_same_report_gives_the_same_bytes(report: Report) -> None:
    assert drawing.group_figure(report.groups[0]) == drawing.group_figure(report.groups[0])


def test_the_callers_settings_come_back(report: Report) -> None:
    with mpl.rc_context({"font.size": 33.0}):
        drawing.group_figure(report.groups[0])
        assert mpl.rcParams["font.size"] == 33.0


def test_settings_of_the_user_do_not_change_a_figure(report: Report) -> None:
    before = drawing.group_figure(report.groups[0])
    with mpl.rc_context({"font.size": 33.0, "axes.grid": True, "lines.linewidth": 9}):
        assert drawing.group_figure(report.groups[0]) == before


def test_panels_for_all_four_numbers(report: Report) -> None:
    made = group_panels(report.groups[0])
    assert len(made) == len(NUMBERS)
    assert made[3].title == "RA after adversarial transfer"


def test_labels_of_the_sparsity_axis_do_not_touch(report: Report) -> None:
    panel = group_panels(report.groups[0])[1]
    with drawing.style():
        figure = drawing.blank(7.0, 5.4)
        ax = figure.subplots(2, 2)[1][0]
        drawing.draw(ax, panel)
        figure.draw_without_rendering()
        boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
        # At least half a digit (7.5 points high, 0.32 em wide, 100 dpi) lies between two labels.
        least = 0.32 * 7.5 * figure.dpi / 72
    assert len(boxes) == 6
    gaps = [right.x0 - left.x1 for left, right in itertools.pairwise(boxes)]
    assert min(gaps) > least
    # On the page a digit is 6 units wide.
    placed = [place for place, text in layout(panel)["x_ticks"] if text]
    assert len(placed) == 6
    assert min(b - a for a, b in itertools.pairwise(placed)) > 5 * 6 + 6


def test_a_figure_with_the_dense_network_alone(make: Maker) -> None:
    make.network(0, ([90], [20], [85], [50]))
    assert len(only(make)["png"]) > 5000


def test_a_figure_without_the_dense_network(make: Maker) -> None:
    make.cell(6, "standard", 90, 20)
    assert len(only(make)["png"]) > 5000


def test_dollar_signs_are_not_mathematics(make: Maker) -> None:
    ref = {"id": "x", "name": "n", "regime": "$\\frac{"}
    make.cell(6, "standard", 90, 20, pretrain=ref)
    assert only(make)["svg"]


def test_layer_densities(report: Report) -> None:
    (table,) = report.densities
    assert [column.round for column in table.columns] == [1, 3, 6, 10, 15, 20]
    made = drawing.layer_figure(table)
    assert set(made) == set(drawing.FORMATS)
    assert min(map(len, made.values())) > 5000


def densities(title: str, stack: tuple[Layer, ...], count: int = 1) -> DensityTable:
    """So many tickets with these layers."""
    return DensityTable(title, "t", False, (LayersOf(1, 10, 20, stack),) * count)


def test_a_collapsed_layer_is_drawn() -> None:
    stack = (Layer("a", 5, 10), Layer("b", 0, 10), Layer("c", 0, 0))
    assert len(drawing.layer_figure(densities("t", stack))["svg"]) > 3000


def test_long_names_and_many_tickets_are_drawn() -> None:
    # Warnings are errors here, and a map without room for itself gives one.
    stack = (Layer("block." * 40, 5, 10), Layer("b", 5, 10))
    assert len(drawing.layer_figure(densities("title " * 40, stack, 60))["svg"]) > 3000
    assert drawing.layer_figure(densities("title " * 40, stack))["png"]


def test_densities_come_from_transfers_where_no_prune_run_is_at_hand(make: Maker) -> None:
    make.cell(6, "standard", 90, 20)
    (table,) = density_tables(collect(make.root))
    assert [layer.kept for layer in table.columns[0].layers] == [27, 235]


@pytest.mark.parametrize(
    ("kept", "total", "place"),
    [(1000, 1000, 0.0), (100, 1000, 1.0), (1, 1000, 3.0), (0, 1000, math.log10(2000))],
)
def test_places_on_the_sparsity_axis(kept: int, total: int, place: float) -> None:
    assert position(kept, total) == pytest.approx(place)


def test_ticks_keep_both_ends_and_leave_room() -> None:
    assert choose_ticks([0.0]) == [0.0]
    assert choose_ticks([0.0, 1.0]) == [0.0, 1.0]
    # Room is 10 / 5 = 2: 1 is too near to 0, 9 too near to 10.
    assert choose_ticks([10, 9, 5, 6, 2, 1, 0], most=5) == [0, 2, 5, 10]
