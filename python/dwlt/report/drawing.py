"""The coordinates of a panel's drawing, so that the page's template only places what is there."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from dwlt.report.plots import Panel

WIDTH, HEIGHT = 430.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 26.0, 44.0
ROOM = 44.0
"""Least distance of two labels below the x axis, in the units of the drawing."""


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
                "name": line.name,
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
