"""Figures of data efficiency: each of the four numbers against the share of the training data."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, zip_longest
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from dwlt.report.canvas import INK, blank, clip, dress, panels, save_all, style
from dwlt.report.efficiency import EfficiencyTable, Series
from dwlt.verdict.groups import PRETRAINING, share
from dwlt.verdict.rule import NUMBERS, Number

Line = Literal["solid", "dashed", "dotted", "dashdot"]
Look = tuple[str, Line, str]

TICKETS: tuple[Look, ...] = (("D", "solid", "◆"), ("o", "dotted", "●"), ("^", "dashdot", "▲"))
"""Marker and line of each ticket, and the sign that stands for the marker in words."""


def colour_names(table: EfficiencyTable) -> dict[str, str]:
    """The colour of each pre-training by name: its regime's, or for a second of one "other"."""
    found: dict[str, str] = {}
    for curve in table.curves:
        regime = curve.pretrain.regime
        free = regime in PRETRAINING and regime not in found.values()
        found[curve.name] = regime if free else "other"
    return found


def efficiency_figure(table: EfficiencyTable) -> dict[str, bytes]:
    """SA (top) and RA (bottom) by fraction, one column per transfer regime, by format name."""
    with style():
        figure = blank(7.0, 5.4)
        axes = figure.subplots(2, 2, sharex=True, squeeze=False)
        order = [axes[0][0], axes[1][0], axes[0][1], axes[1][1]]
        for ax, number in zip(order, NUMBERS, strict=True):
            _panel(ax, table, number)
        for ax in axes[0]:
            ax.set_xlabel("")
        attack = f"   (RA: {table.attack})" if table.attack else ""
        figure.suptitle(f"{clip(table.title, 70)}{attack}", fontsize=10, color=INK.text)
        handles = list(_handles(table))
        columns = len(handles) // 2
        figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
        return save_all(figure)


def efficiency_panels(table: EfficiencyTable) -> dict[Number, str]:
    """Each of the four panels as an SVG of its own with real text, for the page."""
    return panels(lambda ax, number: _panel(ax, table, number), "dwlt-data")


def _panel(ax: Axes, table: EfficiencyTable, number: Number) -> None:
    names, tickets = colour_names(table), looks(table)
    for at, curve in enumerate(table.curves):
        colour = getattr(INK, names[curve.name])
        # Side by side, so that error bars of curves at the same fraction can be told apart.
        aside = 1 + 0.05 * (at - (len(table.curves) - 1) / 2)
        for series in curve.series:
            # The dense network is dashed, as in the other figures.
            marker, line, _ = tickets.get(series.name, ("s", "dashed", ""))
            _line(ax, series, number, colour=colour, marker=marker, line=line, aside=aside)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(table.fractions))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([share(fraction).removesuffix("%") for fraction in table.fractions])
    ax.set_xlim(table.fractions[0] / 1.35, table.fractions[-1] * 1.35)
    ax.set_xlabel("training data (%), log scale")
    dress(ax, number)


def looks(table: EfficiencyTable) -> dict[str, Look]:
    """How each ticket looks, by its name: the same in every curve."""
    found = {series.name: series for curve in table.curves for series in curve.series}
    tickets = sorted((one for one in found.values() if one.round), key=lambda one: one.round)
    return {one.name: look for one, look in zip(tickets, cycle(TICKETS), strict=False)}


def _line(
    ax: Axes, series: Series, number: Number, *, colour: str, marker: str, line: Line, aside: float
) -> None:
    points = [(point.fraction * aside, point.level(number)) for point in series.points]
    known = [(x, level) for x, level in points if level is not None]
    ax.errorbar(
        [x for x, _ in known],
        [level.mean for _, level in known],
        yerr=[level.spread for _, level in known],
        color=colour,
        linestyle=line,
        linewidth=1.2,
        marker=marker,
        markersize=5,
        markerfacecolor=INK.paper if series.round == 0 else colour,
        elinewidth=0.8,
        capsize=2,
    )


def _handles(table: EfficiencyTable) -> Iterator[Line2D]:
    """Column by column of a legend with two rows: pre-trainings above, networks below."""
    above = [
        Line2D([], [], color=getattr(INK, colour), linewidth=2.5, label=clip(name, 40))
        for name, colour in colour_names(table).items()
    ]
    below = [_handle("s", "dashed", "dense", fill=False)]
    below += [
        _handle(marker, line, f"{name} sparsity")
        for name, (marker, line, _) in looks(table).items()
    ]
    for pair in zip_longest(above, below):
        for handle in pair:
            yield handle or Line2D([], [], linestyle="none", label=" ")


def _handle(marker: str, line: Line, label: str, *, fill: bool = True) -> Line2D:
    return Line2D(
        [],
        [],
        color=INK.text,
        marker=marker,
        linestyle=line,
        linewidth=1.2,
        markersize=5,
        markerfacecolor=INK.text if fill else INK.paper,
        label=label,
    )
