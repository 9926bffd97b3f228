"""What a report is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from dwlt.report.overlaps import MaskStudy
from dwlt.results import Notice, ReportData
from dwlt.verdict.rule import GroupVerdict


@dataclass(frozen=True, slots=True)
class Report:
    """What was read, what follows from it, and what the reader must know besides."""

    data: ReportData
    groups: tuple[GroupVerdict, ...]
    flags: tuple[Notice, ...]
    warnings: tuple[Notice, ...]
    masks: MaskStudy = field(default_factory=MaskStudy)
