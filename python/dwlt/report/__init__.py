"""The report: result files in; verdicts, tables, figures and one page out. Never imports torch."""

from __future__ import annotations

from dwlt.report.assess import assess
from dwlt.report.collect import collect
from dwlt.report.content import Report
from dwlt.report.evaluations import evaluation_tables
from dwlt.report.tables import Table, terminal_tables
from dwlt.report.write import ReportPaths, write_report
from dwlt.results import ReportData
from dwlt.verdict.rule import Verdict

__all__ = [
    "Report",
    "ReportData",
    "ReportPaths",
    "Table",
    "Verdict",
    "assess",
    "collect",
    "evaluation_tables",
    "terminal_tables",
    "write_report",
]
