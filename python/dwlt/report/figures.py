"""Figures as files, for papers: PNG, SVG and PDF. matplotlib is imported here alone, on demand.

Drawn with matplotlib's objects alone (no pyplot, no window, no global figure). The same report
gives the same bytes: ids come from a fixed salt and no file carries a date. Colours are Okabe and
Ito's, which survive colour blindness and grey print.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from dwlt.report.content import Report
from dwlt.report.evaluations import sweep_points
from dwlt.report.masks import DensityTable
from dwlt.report.names import unique_slug
from dwlt.report.plots import (
    MARKERS,
    Panel,
    colour_names,
    efficiency_panels,
    group_panels,
    looks,
    sweep_panel,
)
from dwlt.results import Layer
from dwlt.units import sparsity_text
from dwlt.verdict.controls import ControlTable
from dwlt.verdict.fractions import EfficiencyTable
from dwlt.verdict.together import GroupJudged

FORMATS = ("png", "svg", "pdf")

INK = {
    "text": "#1a1a1a",
    "grid": "#d9d9d8",
    "muted": "#6b6b6a",
    "paper": "#fefefe",
    "standard": "#0072b2",
    "fast": "#009e73",
    "adversarial": "#d55e00",
    "other": "#a04b86",
}
SHAPES = {"diamond": "D", "circle": "o", "triangle": "v", "square": "s", "dot": "."}
DASHES: Mapping[str, Any] = {
    "solid": "solid",
    "dashed": (0, (5, 3)),
    "dots": "dotted",
    "dashdot": "dashdot",
    "long": (0, (9, 3)),
}

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "dwlt",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "text.parse_math": False,
}


def draw_all(report: Report) -> Iterator[tuple[str, dict[str, bytes]]]:
    """All figures of a report by file name, each by format. Controls beside a ticket have none."""
    beside = {table.group.slug: table for table in report.controls}
    for verdict in report.alone:
        yield f"curves-{verdict.slug}", group_figure(verdict, beside.get(verdict.slug))
    taken: set[str] = set()
    for efficiency in report.efficiency:
        yield unique_slug(["data", efficiency.title], taken), efficiency_figure(efficiency)
    searched = [table for table in report.densities if not table.control]
    for table in searched or report.densities:
        yield table.slug, layer_figure(table)
    for result in report.data.evaluate:
        if result.sweep:
            points, attack = sweep_points(result), result.test.attack or ""
            yield f"sweep-{result.run.id}", sweep_figure(points, attack)


def group_figure(verdict: GroupJudged, controls: ControlTable | None = None) -> dict[str, bytes]:
    """SA (top) and RA (bottom) against sparsity, one column per transfer regime, by format."""
    group = verdict.group
    part = "" if group.fraction == 1 else f", {100 * group.fraction:.6g}% of the data"
    attack = f"   (RA: {group.attack})" if group.attack else ""
    start = f"{group.pretrain.regime} pre-training, {group.prune.how}"
    title = f"{clip(start, 60)} → {clip(group.task.name, 40)}{part}{attack}"
    present = {ticket.verdict for ticket in verdict.tickets}
    with style():
        handles = [_handle("dense, and what still matches", INK["muted"], "square", "dashed")]
        handles += [
            _handle(state.value, INK["text"], marker, "none", fill=filled)
            for state, (marker, filled) in MARKERS.items()
            if state in present
        ]
        if controls is not None:
            handles.append(_handle("controls", INK["other"], "dot", "dots"))
        return _four(group_panels(verdict, controls), title, handles)


def efficiency_figure(table: EfficiencyTable) -> dict[str, bytes]:
    """SA (top) and RA (bottom) by fraction, one column per transfer regime, by format."""
    title = table.title + (f"   (RA: {table.attack})" if table.attack else "")
    with style():
        handles = [_handle(name, INK[colour]) for name, colour in colour_names(table).items()]
        handles.append(_handle("dense", INK["text"], "square", "dashed", fill=False))
        for name, (marker, line, _) in looks(table).items():
            handles.append(_handle(f"{name} sparsity", INK["text"], marker, line))
        return _four(efficiency_panels(table), title, handles)


def sweep_figure(
    points: Sequence[tuple[str, float, float, float]], attack: str
) -> dict[str, bytes]:
    """RA over eps by format name; ``points`` as ``plots.sweep_panel`` takes them.

    Args:
        attack: what the evaluation's main attack is called, for the title.
    """
    with style():
        figure = blank(5.2, 3.4)
        axes = figure.subplots()
        draw(axes, sweep_panel(points))
        axes.set_title("")
        axes.tick_params(axis="x", labelrotation=45)
        figure.suptitle(f"Robust accuracy as eps grows   ({attack})", fontsize=9.5)
        return save_all(figure)


def layer_figure(table: DensityTable) -> dict[str, bytes]:
    """Density of each layer (rows) in each ticket (columns) as a map with its numbers."""
    tickets = table.columns
    rows, columns = len(tickets[0].layers), len(tickets)
    # Beyond these the figure no longer grows, and numbers would run into each other.
    numbered = columns <= 25 and rows <= 150
    with style():
        figure = blank(min(16.0, 2.6 + 0.52 * columns), min(40.0, 1.7 + 0.26 * rows))
        ax = figure.subplots()
        colours = mpl.colormaps["cividis"]
        for x, ticket in enumerate(tickets):
            for y, layer in enumerate(ticket.layers):
                shade = _shade(layer.density)
                look: dict[str, Any] = {"edgecolor": "#ffffff", "linewidth": 0.6}
                look |= {"facecolor": colours(shade), "hatch": "" if layer.kept else "////"}
                ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **look))
                if numbered:
                    ink = "#ffffff" if shade < 0.55 else "#000000"
                    ax.text(x, y, _short(layer), ha="center", va="center", fontsize=6.5, color=ink)
        ax.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
        ax.set_yticks(range(rows), [clip(x.name, 32) for x in tickets[0].layers], fontsize=7.5)
        names = [sparsity_text(one.kept, one.total) for one in tickets]
        turned: dict[str, Any] = {"rotation": 50, "ha": "right", "rotation_mode": "anchor"}
        ax.set_xticks(range(columns), names, fontsize=7.5, **turned)
        ax.set_xlabel("sparsity of the ticket")
        # At the figure's edge, not the map's: a map of few tickets is narrower than these words.
        words = f"{clip(table.title, 60)}\nkept per layer, percent\n(hatched: nothing kept)"
        figure.suptitle(words, x=0.02, ha="left", fontsize=9)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        return save_all(figure)


def _four(panels: Sequence[Panel], title: str, handles: Sequence[Line2D]) -> dict[str, bytes]:
    """Four panels, SA above RA, with one legend; inside ``style``."""
    figure = blank(7.0, 5.4)
    axes = figure.subplots(2, 2, sharex=True, squeeze=False)
    order = [axes[0][0], axes[1][0], axes[0][1], axes[1][1]]
    for ax, panel in zip(order, panels, strict=True):
        draw(ax, panel)
    for ax in axes[0]:
        ax.set_xlabel("")
    figure.suptitle(clip(title, 110), fontsize=10, color=INK["text"])
    columns = min(len(handles), 4)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
    return save_all(figure)


def draw(ax: Axes, panel: Panel) -> None:
    """One panel: level and band, lines, points with error bars, ticks."""
    if panel.level is not None:
        low, middle, high = panel.level
        ax.axhspan(low, high, color=INK["muted"], alpha=0.16, linewidth=0)
        ax.axhline(middle, color=INK["muted"], linewidth=1, linestyle=DASHES["dashed"])
    for line in panel.lines:
        colour = INK[line.colour]
        path = ([line.start] if line.start else []) + [(mark.x, mark.y) for mark in line.marks]
        look: dict[str, Any] = {"color": colour, "linewidth": 1.2, "zorder": 2}
        ax.plot([x for x, _ in path], [y for _, y in path], linestyle=DASHES[line.style], **look)
        for mark in line.marks:
            ax.errorbar(
                mark.x,
                mark.y,
                yerr=[[max(mark.y - mark.low, 0)], [max(mark.high - mark.y, 0)]],
                color=colour,
                linestyle="none",
                marker=SHAPES[mark.marker],
                markersize=6,
                markerfacecolor=colour if mark.filled else INK["paper"],
                markeredgecolor=colour,
                elinewidth=0.9,
                capsize=2.5,
                zorder=4,
            )
    ax.xaxis.set_major_locator(FixedLocator([x for x, _ in panel.ticks]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([text for _, text in panel.ticks])
    places = [x for x, _ in panel.ticks] or [0.0, 1.0]
    start, wide = places[0], max(places[-1] - places[0], 0.5)
    ax.set_xlim(start - panel.pad * wide, start + (1 + panel.pad) * wide)
    if panel.limits is not None:
        ax.set_ylim(panel.limits[0] - 0.03, panel.limits[1] + 0.05)
    ax.set_xlabel(panel.x_label, color=INK["text"])
    ax.set_ylabel(panel.y_label, color=INK["text"])
    ax.set_title(panel.title, loc="left", color=INK["text"])
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=None, symbol=""))
    ax.grid(color=INK["grid"], linewidth=0.6)
    ax.set(axisbelow=True, facecolor=INK["paper"])
    ax.spines[["top", "right"]].set_visible(False)
    # Two rounds of the usual spread are 0.39 inches apart in the 2 x 2 figure; "48.80" must fit.
    ax.tick_params(colors=INK["text"], length=3)
    ax.tick_params(axis="x", labelsize=7.5)


@contextmanager
def style() -> Iterator[None]:
    """dwlt's look while a figure is made and written; the caller's settings come back after."""
    with mpl.rc_context():
        # A rc file of the user must not change what a report looks like.
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def save_all(figure: Figure) -> dict[str, bytes]:
    """The figure in every format, by name. It is laid out once, which takes longer than drawing."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    unsigned: Mapping[str, dict[str, str | None]] = {
        "svg": dict.fromkeys(("Date", "Creator", "Format", "Type")),
        "pdf": dict.fromkeys(("CreationDate", "Creator", "Producer")),
        "png": {"Software": None},
    }
    found = {}
    for kind in FORMATS:
        target = io.BytesIO()
        figure.savefig(target, format=kind, dpi=200, metadata=unsigned[kind])
        found[kind] = target.getvalue()
    return found


def blank(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor=INK["paper"])
    FigureCanvasAgg(figure)
    return figure


def clip(text: str, most: int) -> str:
    """The end of a long name, which is where layer names differ."""
    return text if len(text) <= most else f"…{text[1 - most :]}"


def _handle(
    label: str, colour: str, marker: str = "", line: str = "solid", *, fill: bool = True
) -> Line2D:
    return Line2D(
        [],
        [],
        color=colour,
        marker=SHAPES.get(marker, "none"),
        linestyle=DASHES.get(line, "none"),
        markersize=5,
        markerfacecolor=colour if fill else INK["paper"],
        label=clip(label, 40),
    )


def _shade(density: float) -> float:
    """Place of a density on the colour scale: log from 0.1% (0) to 100% (1)."""
    return 0.0 if density <= 0.001 else 1 + math.log10(density) / 3


def _short(layer: Layer) -> str:
    """A density as percent in at most four characters: 100, 42.1, 0.31."""
    percent = 100 * layer.density
    if percent >= 99.95:
        return "100" if layer.kept == layer.total else "99.9"
    return f"{percent:.1f}" if percent >= 1 else f"{percent:.2f}" if layer.kept else "0"
