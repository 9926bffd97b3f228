"""Numbers as text, for table cells and lines of progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dwlt.results import Accuracy, Score


def accuracy(value: Accuracy | None) -> str:
    """``91.2% [88.0, 93.6]``: value and 95% interval; "-" when not measured."""
    if value is None:
        return "-"
    return f"{value.value:.1%} [{100 * value.low:.1f}, {100 * value.high:.1f}]"


def score_row(score: Score | None) -> list[str]:
    """SA, RA, n and attack of a score."""
    if score is None:
        return ["-", "-", "-", "-"]
    return [accuracy(score.sa), accuracy(score.ra), str(score.sa.n), score.attack or "-"]


def format_metrics(metrics: Mapping[str, float | None]) -> str:
    """``loss 0.412, SA 91.2%, RA 60.3%``: what was measured, and nothing else."""
    parts = []
    for key, value in metrics.items():
        if value is None:
            continue
        parts.append(f"{key.upper()} {value:.1%}" if key in ("sa", "ra") else f"{key} {value:.3f}")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
