"""Figures for papers and for the page: accuracy against sparsity, and density per layer.

Verdicts are told apart by marker shape and fill, so that a grey print is enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FixedLocator, NullLocator

from dwlt.report import canvas
from dwlt.report.axis import choose_ticks, position
from dwlt.report.canvas import INK, blank, clip, dress, save_all, style
from dwlt.results import Layer, sparsity
from dwlt.verdict.rule import NUMBERS, GroupVerdict, Number, TicketVerdict, Verdict

# Marker, filled?, legend text.
MARKERS: Mapping[Verdict, tuple[str, bool, str]] = {
    Verdict.DOUBLE_WIN: ("D", True, "double-win"),
    Verdict.UNDECIDED: ("o", False, "undecided"),
    Verdict.NOT: ("v", False, "not"),
    Verdict.INCOMPLETE: (".", True, "incomplete"),
}


def curves(verdict: GroupVerdict) -> dict[str, bytes]:
    """SA (top) and RA (bottom) against sparsity, one column per transfer regime.

    Returns:
        The figure by format name; empty when the group has nothing to draw.
    """
    with style():
        figure = blank(7.0, 5.3)
        axes = figure.subplots(2, 2, sharex=True, squeeze=False)
        order = [axes[0][0], axes[1][0], axes[0][1], axes[1][1]]
        for ax, number in zip(order, NUMBERS, strict=True):
            _panel(ax, verdict, number)
        for ax in axes[0]:
            ax.set_xlabel("")
        figure.suptitle(_title(verdict), fontsize=10, color=INK.text)
        _legend(figure, verdict)
        return save_all(figure)


def panels(verdict: GroupVerdict) -> dict[Number, str]:
    """Each of the four panels as an SVG of its own with real text, for the page."""
    return canvas.panels(lambda ax, number: _panel(ax, verdict, number), "dwlt")


def layers(title: str, tickets: Sequence[tuple[int, int, Sequence[Layer]]]) -> dict[str, bytes]:
    """Density of each layer (rows) in each ticket (columns) as a map with its numbers.

    Args:
        title: what was pruned.
        tickets: (kept, total, layers) of each ticket, all with the same layers.
    """
    rows, columns = len(tickets[0][2]), len(tickets)
    # Beyond these the figure no longer grows, and numbers would run into each other.
    numbered = columns <= 25 and rows <= 150
    with style():
        figure = blank(min(16.0, 2.6 + 0.52 * columns), min(40.0, 1.7 + 0.26 * rows))
        ax = figure.subplots()
        colours = mpl.colormaps["cividis"]
        for x, (_, _, stack) in enumerate(tickets):
            for y, layer in enumerate(stack):
                shade = _shade(layer.density)
                ax.add_patch(_cell(x, y, colours(shade), hatch="" if layer.kept else "////"))
                if numbered:
                    ink = "#ffffff" if shade < 0.55 else "#000000"
                    ax.text(x, y, _short(layer), ha="center", va="center", fontsize=6.5, color=ink)
        ax.set_xlim(-0.5, columns - 0.5)
        ax.set_ylim(rows - 0.5, -0.5)
        names = [clip(layer.name, 32) for layer in tickets[0][2]]
        ax.set_yticks(range(rows), names, fontsize=7.5)
        ax.set_xticks(
            range(columns),
            [sparsity(kept, total) for kept, total, _ in tickets],
            rotation=50,
            ha="right",
            rotation_mode="anchor",
            fontsize=7.5,
        )
        ax.set_xlabel("sparsity of the ticket")
        # At the figure's edge, not the map's: a map of few tickets is narrower than these words.
        figure.suptitle(
            f"{clip(title, 60)}\nkept per layer, percent\n(hatched: nothing kept)",
            x=0.02,
            ha="left",
            fontsize=9,
        )
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        return save_all(figure)


def _panel(ax: Axes, verdict: GroupVerdict, number: Number) -> None:
    """One number against sparsity, with the dense level and its tolerance band."""
    colour = INK.standard if number.regime == "standard" else INK.adversarial
    networks = verdict.group.networks
    dense = verdict.dense[NUMBERS.index(number)]
    if dense is not None:
        low, high = dense.mean - dense.spread, dense.mean + dense.spread
        ax.axhspan(low, high, color=INK.muted, alpha=0.16, linewidth=0)
        ax.axhline(dense.mean, color=INK.muted, linewidth=1, linestyle=(0, (5, 3)))
        ax.plot(
            [0.0],
            [dense.mean],
            marker="s",
            markersize=5,
            color=INK.muted,
            linestyle="none",
            zorder=3,
        )
    points = list(_points(verdict.tickets, number))
    line = [(0.0, dense.mean)] if dense is not None else []
    line += [(x, mean) for x, mean, _, _ in points]
    ax.plot([x for x, _ in line], [y for _, y in line], color=colour, linewidth=1.2, zorder=2)
    for x, mean, spread, state in points:
        marker, filled, _ = MARKERS[state]
        ax.errorbar(
            x,
            mean,
            yerr=spread,
            color=colour,
            linestyle="none",
            marker=marker,
            markersize=6.5,
            markerfacecolor=colour if filled else INK.paper,
            markeredgecolor=colour,
            markeredgewidth=1.1,
            elinewidth=0.9,
            capsize=2.5,
            zorder=4,
        )
    places = [position(net.kept, net.total) for net in networks]
    ticks = choose_ticks([0.0, *places])
    names = {position(net.kept, net.total): sparsity(net.kept, net.total) for net in networks}
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([names.get(tick, "0.00%").removesuffix("%") for tick in ticks])
    ax.set_xlim(-0.04 * max(ticks[-1], 0.5), 1.05 * max(ticks[-1], 0.5))
    ax.set_xlabel("sparsity (%), log scale in what is kept")
    dress(ax, number)


def _points(
    tickets: Sequence[TicketVerdict], number: Number
) -> Iterator[tuple[float, float, float, Verdict]]:
    for ticket in tickets:
        level = ticket.comparisons[NUMBERS.index(number)].level
        if level is not None:
            network = ticket.network
            x = position(network.kept, network.total)
            yield x, level.mean, level.spread, ticket.verdict


def _legend(figure: Figure, verdict: GroupVerdict) -> None:
    handles: list[Line2D | Patch] = [
        Line2D(
            [],
            [],
            color=INK.muted,
            marker="s",
            markersize=5,
            linestyle=(0, (5, 3)),
            linewidth=1,
            label="dense",
        ),
        Patch(color=INK.muted, alpha=0.16, linewidth=0, label="its tolerance"),
    ]
    present = {ticket.verdict for ticket in verdict.tickets}
    for state, (marker, filled, text) in MARKERS.items():
        if state in present:
            handles.append(
                Line2D(
                    [],
                    [],
                    linestyle="none",
                    marker=marker,
                    markersize=6.5,
                    color=INK.text,
                    markerfacecolor=INK.text if filled else INK.paper,
                    label=text,
                )
            )
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)


def _title(verdict: GroupVerdict) -> str:
    group = verdict.group
    part = "" if group.fraction == 1 else f", {100 * group.fraction:.6g}% of the data"
    attack = f"   (RA: {group.attack})" if group.attack else ""
    start = f"{group.pretrain.regime} pre-training, {group.prune.method}"
    return f"{clip(start, 60)} → {clip(group.task.name, 40)}{part}{attack}"


def _cell(x: int, y: int, colour: tuple[float, float, float, float], hatch: str) -> Patch:
    return Rectangle(
        (x - 0.5, y - 0.5), 1, 1, facecolor=colour, edgecolor="#ffffff", linewidth=0.6, hatch=hatch
    )


def _shade(density: float) -> float:
    """Place of a density on the colour scale: log from 0.1% (0) to 100% (1)."""
    return 0.0 if density <= 0.001 else 1 + math.log10(density) / 3


def _short(layer: Layer) -> str:
    """A density as percent in at most four characters: 100, 42.1, 0.31."""
    percent = 100 * layer.density
    if not layer.kept:
        return "0"
    if percent >= 99.95:
        return "100" if layer.kept == layer.total else "99.9"
    return f"{percent:.1f}" if percent >= 1 else f"{percent:.2f}"
