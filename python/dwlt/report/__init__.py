"""The report: result files in; verdicts, tables, figures and one page out. Never imports torch."""

from __future__ import annotations

from dwlt.report.content import Report, assess
from dwlt.report.summary import Summary, summary
from dwlt.report.table import PlainTable
from dwlt.report.write import ReportPaths, plain_tables, write_report
from dwlt.results import ReportData
from dwlt.runs.collect import collect
from dwlt.verdict.together import GroupJudged

__all__ = [
    "GroupJudged",
    "PlainTable",
    "Report",
    "ReportData",
    "ReportPaths",
    "Summary",
    "assess",
    "collect",
    "plain_tables",
    "summary",
    "write_report",
]
