"""What all figures share: colours, matplotlib's settings, and how a figure becomes bytes.

Drawn with matplotlib's objects alone (no pyplot, no window, no global figure). The same report
gives the same SVG bytes: ids come from a fixed salt and no file carries a date. Colours are Okabe
and Ito's, which survive colour blindness and grey print.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from dwlt.verdict.rule import NUMBERS, Number

FORMATS = ("png", "svg", "pdf")


@dataclass(frozen=True, slots=True)
class Ink:
    """The colours of a figure. The page swaps them for its own names, so all must differ."""

    text: str = "#1a1a1a"
    grid: str = "#d9d9d8"
    muted: str = "#6b6b6a"
    paper: str = "#fefefe"
    standard: str = "#0072b2"
    fast: str = "#009e73"
    adversarial: str = "#d55e00"
    other: str = "#a04b86"


INK = Ink()

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "dwlt",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.unicode_minus": True,
    "text.parse_math": False,
}


@contextmanager
def style(**changes: Any) -> Iterator[None]:
    """dwlt's look while a figure is made and written; the caller's settings come back after."""
    settings: dict[Any, Any] = changes
    with mpl.rc_context():
        # A rc file of the user must not change what a report looks like.
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        mpl.rcParams.update(settings)
        yield


def save(figure: Figure, kind: str) -> bytes:
    """The bytes of a figure as "png" (200 dpi), "svg" or "pdf", without dates."""
    target = io.BytesIO()
    metadata: dict[str, str | None]
    if kind == "svg":
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    elif kind == "pdf":
        metadata = {"CreationDate": None, "Creator": None, "Producer": None}
    else:
        metadata = {"Software": None}
    figure.savefig(target, format=kind, dpi=200, metadata=metadata)
    return target.getvalue()


def save_all(figure: Figure) -> dict[str, bytes]:
    """The figure in every format, by name. It is laid out once, which takes longer than drawing."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return {kind: save(figure, kind) for kind in FORMATS}


def blank(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor=INK.paper)
    FigureCanvasAgg(figure)
    return figure


def panels(draw: Callable[[Axes, Number], None], salt: str) -> dict[Number, str]:
    """Each of the four numbers as an SVG of its own with real text, for the page.

    Args:
        draw: draws one number.
        salt: of the ids inside, which must differ between the SVGs of one page's kinds.
    """
    found = {}
    for number in NUMBERS:
        with style(**{"svg.fonttype": "none", "svg.hashsalt": f"{salt}-{number.key}"}):
            figure = blank(4.3, 2.9)
            draw(figure.subplots(), number)
            found[number] = save(figure, "svg").decode()
    return found


def dress(ax: Axes, number: Number) -> None:
    """Title, percent axis, grid and colours of a panel about one number."""
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=None, symbol=""))
    ax.set_ylabel(f"{number.kind.upper()} (%)")
    ax.set_title(
        f"{number.kind.upper()} after {number.regime} transfer", loc="left", color=INK.text
    )
    ax.grid(color=INK.grid, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.set_facecolor(INK.paper)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(INK.muted)
    ax.tick_params(colors=INK.text, length=3)
    # Two rounds of the usual spread are 0.39 inches apart in the 2 x 2 figure; "48.80" must fit.
    ax.tick_params(axis="x", labelsize=7.5)
    for text in (ax.xaxis.label, ax.yaxis.label):
        text.set_color(INK.text)


def clip(text: str, most: int) -> str:
    """The end of a long name, which is where layer names differ."""
    return text if len(text) <= most else f"…{text[1 - most :]}"
