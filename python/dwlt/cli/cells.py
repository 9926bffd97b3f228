"""Text for table cells, from result files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def accuracy(value: Mapping[str, Any] | None) -> str:
    """``91.2% [88.0, 93.6]``: value and 95% interval; "-" when not measured."""
    if value is None:
        return "-"
    return f"{value['value']:.1%} [{100 * value['low']:.1f}, {100 * value['high']:.1f}]"


def score_row(score: Mapping[str, Any] | None) -> list[str]:
    """SA, RA, n and attack of a score."""
    if score is None:
        return ["-", "-", "-", "-"]
    return [
        accuracy(score["sa"]),
        accuracy(score["ra"]),
        str(score["sa"]["n"]),
        score["attack"] or "-",
    ]
