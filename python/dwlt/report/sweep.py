"""The curve of robust accuracy over eps: a sound attack makes it fall, to 0 in the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator, PercentFormatter

from dwlt.report.canvas import INK, blank, save, save_all, style
from dwlt.results import EvaluateResult

Point = Mapping[str, Any]
"""A point as result files hold it: ``eps`` as text, ``ra`` with value, low and high."""


def draw(points: Sequence[Point], *, attack: str) -> dict[str, bytes]:
    """The curve by format name: RA with its 95% intervals against eps, and SA as a level.

    Args:
        points: eps ascending; the first is eps 0, which is SA.
        attack: what the evaluation's main attack is called, for the title.
    """
    with style():
        figure = blank(5.2, 3.4)
        _panel(figure.subplots(), points)
        figure.suptitle(f"Robust accuracy as eps grows   ({attack})", fontsize=9.5, color=INK.text)
        return save_all(figure)


def points(result: EvaluateResult) -> list[Point]:
    """The points of a result that was read."""
    return [
        {"eps": point.eps, "ra": {"value": point.ra.value, "low": point.low, "high": point.high}}
        for point in result.sweep
    ]


def inline(points: Sequence[Point], salt: str) -> str:
    """The curve as an SVG with real text, for the page."""
    with style(**{"svg.fonttype": "none", "svg.hashsalt": f"dwlt-{salt}"}):
        figure = blank(4.3, 2.9)
        _panel(figure.subplots(), points)
        return save(figure, "svg").decode()


def _panel(ax: Axes, points: Sequence[Point]) -> None:
    clean, rest = points[0]["ra"]["value"], points[1:]
    places = [float(Fraction(point["eps"])) for point in rest]
    shares = [point["ra"]["value"] for point in rest]
    below = [point["ra"]["value"] - point["ra"]["low"] for point in rest]
    above = [point["ra"]["high"] - point["ra"]["value"] for point in rest]
    ax.axhline(clean, color=INK.muted, linestyle=(0, (5, 3)), linewidth=1)
    ax.annotate(
        "SA", (places[-1], clean), xytext=(0, 3), textcoords="offset points", color=INK.muted
    )
    ax.errorbar(
        places,
        shares,
        yerr=[below, above],
        color=INK.adversarial,
        marker="o",
        markersize=4,
        linewidth=1.4,
        capsize=2,
    )
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_locator(FixedLocator(places))
    ax.xaxis.set_major_formatter(FixedFormatter([str(point["eps"]) for point in rest]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.tick_params(axis="x", labelrotation=45)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_ylim(-0.03, 1.05)
    ax.set_xlabel("eps")
    ax.set_ylabel("RA")
    ax.grid(color=INK.grid, linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
