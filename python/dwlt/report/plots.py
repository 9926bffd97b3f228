"""What figures show, as data: drawn on the page by ``plot.html`` and as files by ``figures``.

A panel has an x axis with labelled ticks, a y axis in percent, and series of points.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle

from dwlt.report.verdicts import percent
from dwlt.results.refs import PRETRAINING
from dwlt.units import sparsity_text
from dwlt.verdict.controls import ControlTable
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


def group_panels(verdict: GroupJudged, controls: ControlTable | None = None) -> list[Panel]:
    """The four numbers of a group against sparsity, and those of its controls, if there are any."""
    return [_group_panel(verdict, number, controls) for number in NUMBERS]


def _control_lines(table: ControlTable, number: Number) -> list[PlotLine]:
    """One number of each control by sparsity; without error bars, which would hide the tickets'."""
    marks: dict[str, list[Mark]] = {}
    for round_ in table.rounds:
        for control in round_.controls:
            at = position(control.network.kept, control.network.total)
            for found in control.differences:
                if found.number == number and found.measured is not None:
                    mean = found.measured.mean
                    marks.setdefault(control.name, []).append(
                        Mark(at, mean, mean, mean, "dot", True)
                    )
    return [PlotLine(name, "other", "dots", tuple(found)) for name, found in marks.items()]


def _group_panel(verdict: GroupJudged, number: Number, controls: ControlTable | None) -> Panel:
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
    beside = [] if controls is None else _control_lines(controls, number)
    for line in beside:
        shares = ", ".join(f"{100 * mark.y:.2f}" for mark in line.marks)
        told.append(f"control {line.name}: {shares}")
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
        lines=(*beside, PlotLine("tickets", colour, "solid", tuple(marks), start)),
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
