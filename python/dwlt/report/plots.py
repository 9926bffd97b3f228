"""What figures show, as data: drawn on the page by ``plot.html`` and as files by ``figures``.

A panel has an x axis with labelled ticks, a y axis in percent, and series of points. ``layout``
turns it into coordinates of a drawing, so that the page's template only places what is there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import cycle
from typing import Any

from dwlt.report.verdicts import percent
from dwlt.results.refs import PRETRAINING
from dwlt.units import sparsity_text
from dwlt.verdict.fractions import EfficiencyTable
from dwlt.verdict.groups import share
from dwlt.verdict.judge import Verdict
from dwlt.verdict.outcomes import NUMBERS, Number
from dwlt.verdict.paper_rule import tolerance
from dwlt.verdict.together import GroupJudged

MARKERS = {
    Verdict.DOUBLE_WIN: ("diamond", True),
    Verdict.UNDECIDED: ("circle", False),
    Verdict.NOT: ("triangle", False),
    Verdict.AT_FLOOR: ("square", False),
    Verdict.INCOMPLETE: ("dot", True),
}
"""Marker and whether it is filled; told apart without colour, so that a grey print is enough."""

TICKETS = (("diamond", "dots", "◆"), ("circle", "dashdot", "●"), ("triangle", "long", "▲"))
"""Marker and line of each ticket over fractions, and the sign for the marker in words."""

WIDTH, HEIGHT = 430.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 26.0, 44.0
ROOM = 44.0
"""Least distance of two labels below the x axis, in the units of the drawing."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point: its place on the axes, the ends of its error bar, and its marker."""

    x: float
    y: float
    low: float
    high: float
    marker: str
    filled: bool


@dataclass(frozen=True, slots=True)
class PlotLine:
    """Points that belong together. ``colour`` is a name of the stylesheet's palette."""

    name: str
    colour: str
    style: str
    marks: tuple[Mark, ...]
    start: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """One small figure. Shares in [0, 1] on the y axis.

    Attributes:
        title: what is shown; label: the same with its numbers, for those who cannot see it.
        ticks: places on the x axis with their labels.
        level: a horizontal line with a band around it (low, middle, high), and its name.
        limits: ends of the y axis; None where the data decides.
        unit: what y values are multiplied with in labels: 100 for shares in percent.
    """

    title: str
    label: str
    x_label: str
    y_label: str
    ticks: tuple[tuple[float, str], ...]
    lines: tuple[PlotLine, ...]
    level: tuple[float, float, float] | None = None
    level_name: str = "dense"
    limits: tuple[float, float] | None = None
    pad: float = 0.04
    unit: float = 100.0


def position(kept: int, total: int) -> float:
    """-log10 of the kept share: 0 for the dense network, 1 where a tenth is left.

    Every round of iterative pruning takes the same step on this axis. A network without any
    weight has no logarithm; it is placed where half a weight would be.
    """
    return -math.log10(max(kept, 0.5) / total)


def choose_ticks(places: Iterable[float], *, most: int = 7) -> list[float]:
    """Places to label: the first, the last, and those between that leave room for a label.

    Args:
        places: positions of the networks, in any order.
        most: about how many labels fit side by side.
    """
    ordered = sorted(set(places))
    room = (ordered[-1] - ordered[0]) / most
    ticks = ordered[:1]
    for place in ordered[1:-1]:
        if place - ticks[-1] >= room and ordered[-1] - place >= room:
            ticks.append(place)
    return ticks + ordered[-1:] if len(ordered) > 1 else ticks


def group_panels(verdict: GroupJudged) -> list[Panel]:
    """The four numbers of a group against sparsity."""
    return [_group_panel(verdict, number) for number in NUMBERS]


def _group_panel(verdict: GroupJudged, number: Number) -> Panel:
    colour = "standard" if number.regime == "standard" else "adversarial"
    dense = verdict.dense_numbers().get(number)
    networks = verdict.group.networks
    names = {position(net.kept, net.total): sparsity_text(net.kept, net.total) for net in networks}
    ticks = choose_ticks([0.0, *names])
    marks, told = [], [f"dense {percent(dense)}"]
    for ticket in verdict.tickets:
        net, measured = ticket.ticket, ticket.ticket.numbers.get(number)
        told.append(f"{sparsity_text(net.kept, net.total)}: {percent(measured)}")
        if measured is not None:
            marker, filled = MARKERS[ticket.verdict]
            spread = tolerance(measured)
            at = position(net.kept, net.total)
            ends = (measured.mean - spread, measured.mean + spread)
            marks.append(Mark(at, measured.mean, *ends, marker, filled))
    level, start = None, None
    if dense is not None:
        margin = verdict.decides.margins.get(number)
        # What still matches: below the dense mean by the margin, or by the paper's tolerance.
        low = dense.mean - (tolerance(dense) if margin is None else margin)
        level, start = (low, dense.mean, dense.mean), (0.0, dense.mean)
    return Panel(
        title=f"{number.kind.upper()} after {number.regime} transfer",
        label=f"{number.title}, percent, by sparsity: {', '.join(told)}",
        x_label="sparsity (%), log scale in what is kept",
        y_label=f"{number.kind.upper()} (%)",
        ticks=tuple((tick, names.get(tick, "0.00%").removesuffix("%")) for tick in ticks),
        lines=(PlotLine("tickets", colour, "solid", tuple(marks), start),),
        level=level,
    )


def efficiency_panels(table: EfficiencyTable) -> list[Panel]:
    """The four numbers of all pre-trainings against the share of the training data."""
    return [_efficiency_panel(table, number) for number in NUMBERS]


def _efficiency_panel(table: EfficiencyTable, number: Number) -> Panel:
    colours, tickets = colour_names(table), looks(table)
    lines, told = [], []
    for at, curve in enumerate(table.curves):
        # Side by side, so that error bars of curves at the same fraction can be told apart.
        aside = 0.02 * (at - (len(table.curves) - 1) / 2)
        for series in curve.series:
            marker, style, _ = tickets.get(series.name, ("square", "dashed", ""))
            marks = []
            for point in series.points:
                measured = point.numbers.get(number)
                if measured is not None:
                    spread = tolerance(measured)
                    ends = (measured.mean - spread, measured.mean + spread)
                    x = math.log10(point.fraction) + aside
                    marks.append(Mark(x, measured.mean, *ends, marker, series.round > 0))
            shown = ", ".join(
                f"{share(p.fraction)} {percent(p.numbers.get(number))} ({p.seeds})"
                for p in series.points
            )
            told.append(f"{curve.name} {series.name}: {shown}")
            name = f"{curve.name}, {series.name}"
            lines.append(PlotLine(name, colours[curve.name], style, tuple(marks)))
    return Panel(
        title=f"{number.kind.upper()} after {number.regime} transfer",
        label=f"{number.title}, percent, by share of the training data: {'; '.join(told)}",
        x_label="training data (%), log scale",
        y_label=f"{number.kind.upper()} (%)",
        ticks=tuple((math.log10(f), share(f).removesuffix("%")) for f in table.fractions),
        lines=tuple(lines),
        pad=0.12,
    )


def colour_names(table: EfficiencyTable) -> dict[str, str]:
    """The colour of each pre-training by name: its regime's, or for a second of one "other"."""
    found: dict[str, str] = {}
    for curve in table.curves:
        regime = curve.pretrain.regime
        free = regime in PRETRAINING and regime not in found.values()
        found[curve.name] = regime if free else "other"
    return found


def looks(table: EfficiencyTable) -> dict[str, tuple[str, str, str]]:
    """Marker, line and sign of each ticket by its name: the same in every curve."""
    found = {series.name: series for curve in table.curves for series in curve.series}
    tickets = sorted((one for one in found.values() if one.round), key=lambda one: one.round)
    return {one.name: look for one, look in zip(tickets, cycle(TICKETS), strict=False)}


def sweep_panel(points: Sequence[tuple[str, float, float, float]]) -> Panel:
    """RA over eps: a sound attack makes it fall, to 0 in the end.

    Args:
        points: eps as text, RA and its 95% interval; ascending. The first is eps 0, which is SA.
    """
    (_, clean, _, _), *rest = points
    marks = [
        Mark(math.log2(Fraction(eps)), value, low, high, "circle", True)
        for eps, value, low, high in rest
    ]
    told = ", ".join(f"{100 * value:.1f}% at {eps}" for eps, value, _, _ in points)
    return Panel(
        title="Robust accuracy as eps grows",
        label=f"RA over eps: {told}",
        x_label="eps, log scale",
        y_label="RA (%)",
        ticks=tuple((mark.x, eps) for mark, (eps, *_) in zip(marks, rest, strict=True)),
        lines=(PlotLine("RA", "adversarial", "solid", tuple(marks)),),
        level=(clean, clean, clean),
        level_name="SA",
        limits=(0.0, 1.0),
    )


def layout(panel: Panel) -> dict[str, Any]:
    """The coordinates of a panel's drawing, in units of its view box, for ``plot.html``."""
    xs = [x for x, _ in panel.ticks] + [mark.x for line in panel.lines for mark in line.marks]
    x_low, x_high = min(xs, default=0.0), max(xs, default=1.0)
    wide = max(x_high - x_low, 0.5)
    x_low, x_high = x_low - panel.pad * wide, x_low + (1 + panel.pad) * wide
    low, high = panel.limits or _limits(panel)

    def x(value: float) -> float:
        return round(LEFT + (value - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        place = min(max(value, low), high)
        return round(HEIGHT - BOTTOM - (place - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    labelled, last = [], -math.inf
    for place, text in panel.ticks:
        labelled.append((x(place), text if x(place) - last >= ROOM else ""))
        last = x(place) if labelled[-1][1] else last
    step = _step(high - low)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    shown = step * panel.unit
    digits = next(n for n in range(4) if n == 3 or abs(round(shown, n) - shown) < 1e-9)
    values = [(first + n) * step for n in range(count)]
    lines = []
    for line in panel.lines:
        path = ([line.start] if line.start else []) + [(mark.x, mark.y) for mark in line.marks]
        lines.append(
            {
                "colour": line.colour,
                "style": line.style,
                "path": " ".join(f"{x(a)},{y(b)}" for a, b in path),
                "marks": [
                    replace(m, x=x(m.x), y=y(m.y), low=y(m.low), high=y(m.high)) for m in line.marks
                ],
            }
        )
    return {
        "panel": panel,
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "top": TOP,
        "bottom": HEIGHT - BOTTOM,
        "x_ticks": labelled,
        "y_ticks": [(y(value), f"{panel.unit * value + 0.0:.{digits}f}") for value in values],
        "level": panel.level and [y(value) for value in panel.level],
        "origin": x(0.0),
        "lines": lines,
    }


def _limits(panel: Panel) -> tuple[float, float]:
    """Ends of the y axis: all that is drawn, with a little room, never beyond 0 and 1."""
    values = [v for line in panel.lines for mark in line.marks for v in (mark.low, mark.high)]
    values += panel.level or ()
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = max(0.06 * (high - low), 0.01)
    return max(low - room, 0.0), min(max(high + room, low + room), 1.0)


def _step(span: float) -> float:
    """A round distance of y ticks, of which about five fit."""
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * n for n in (1, 2, 2.5, 5, 10) if power * n >= rough - 1e-12)
