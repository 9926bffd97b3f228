"""From what was read to what is reported: groups, verdicts, flags and warnings."""

from __future__ import annotations

import re

from dwlt.report.content import Report
from dwlt.report.flags import report_flags
from dwlt.report.overlaps import MaskStudy
from dwlt.report.slugs import unique_slug
from dwlt.results import Notice, ReportData
from dwlt.verdict.groups import Group, form_groups
from dwlt.verdict.rule import GroupVerdict, judge


def assess(data: ReportData, masks: MaskStudy | None = None) -> Report:
    """Group the transfers, judge every ticket, and gather all flags and warnings.

    Args:
        data: what ``collect`` read.
        masks: how the tickets' masks overlap, where mask files were looked at.
    """
    masks = MaskStudy() if masks is None else masks
    groups, notices = form_groups(data.transfer, data.prune)
    taken: set[str] = set()
    judged = tuple(
        GroupVerdict(group, _slug(group, taken), judge(group), judge(group, strict=True))
        for group in groups
    )
    flags = {flag for run in data.runs for flag in run.notices}
    for result in data.prune:
        flags.update(result.notices)
    flags.update(report_flags(data, groups))
    warnings = {*data.warnings, *notices, *masks.notices}
    return Report(
        data, judged, tuple(sorted(flags, key=_order)), tuple(sorted(warnings, key=_order)), masks
    )


def _order(notice: Notice) -> tuple[str, str, list[tuple[int, str]]]:
    """By place and code, then by text, shorter numbers first: round 3 before round 10."""
    pieces = enumerate(re.split(r"([0-9]+)", notice.text))
    return notice.where, notice.code, [(len(p) if i % 2 else 0, p) for i, p in pieces]


def _slug(group: Group, taken: set[str]) -> str:
    """A file name for the group: lower case letters, digits and dashes, and never used twice."""
    parts = [group.pretrain.regime, group.prune.method, group.task.name]
    if group.fraction < 1:
        parts.append(f"{100 * group.fraction:.6g}pct")
    return unique_slug([*parts, group.prune.id], taken)
