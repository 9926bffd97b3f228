"""The report as one HTML file that needs nothing else: no network, no scripts, no fonts.

The page is made by the templates in ``templates/``: ``page.html`` around one template per section,
``macros.html`` with tables and parts that they share, ``plot.html`` for figures, ``page.css``.
Here stands what they are given. Everything from results is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from itertools import groupby
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from dwlt.report.content import Report
from dwlt.report.controls import control_page_table
from dwlt.report.drawing import layout
from dwlt.report.efficiency import extreme_table, number_table
from dwlt.report.evaluations import evaluation_context, pretrain_table
from dwlt.report.group import group_context
from dwlt.report.masks import mask_context
from dwlt.report.names import search_titles
from dwlt.report.pictures import Gallery
from dwlt.report.plots import colour_names, efficiency_panels, looks
from dwlt.report.summary import summary
from dwlt.results import Notice
from dwlt.verdict.fractions import EfficiencyTable

MANY_GROUPS = 4
"""With more groups than this each is folded behind its title, and the page begins with links."""

OPEN_CONTROLS = 2
"""So many tables of controls are open from the start."""

UNFOLDED = 4
"""More notices of one kind than this are folded: a large grid would bury the rare ones."""

SECTIONS = {
    "headline": "Extreme sparsity",
    "verified": "Verified",
    "frontier": "The frontier",
    "efficiency": "Data efficiency",
    "controls": "Controls",
    "verdicts": "Verdicts",
    "pictures": "Pictures",
    "training": "Training curves",
    "variance": "Luck",
    "masks": "The masks",
    "notices": "Flags and warnings",
    "pretrain": "Other results",
    "evaluations": "Evaluations",
    "reproduce": "Reproduce",
}
"""Each section's template, in the order of the page, and its title in the list of links."""


def render(report: Report, shown: Gallery | None = None) -> str:
    """The whole page as text, the same for the same results (it carries no clock).

    Args:
        shown: pictures and trainings that were found beside the results.
    """
    contexts = _contexts(report, shown or Gallery())
    sections = [
        {"name": name, "title": title, "anchor": anchor(title)} | contexts[name]
        for name, title in SECTIONS.items()
        if contexts[name]
    ]
    runs = report.data.runs
    finished = max((run.finished for run in runs), default="")
    page = _templates().get_template("page.html")
    return page.render(
        style=Markup(_read("page.css")),
        sections=sections,
        summary=summary(report),
        runs=len(runs),
        unfinished=len(report.data.unfinished),
        finished=finished.replace("T", " ").replace("Z", " UTC"),
        notices=len(report.flags) + len(report.warnings),
        attack=next((verdict.attack for verdict in report.groups), ""),
    )


def anchor(title: str) -> str:
    """Where on the page a section is."""
    return title.lower().replace(" ", "-")


def _contexts(report: Report, shown: Gallery) -> dict[str, dict[str, Any]]:
    """What each section's template is given; an empty one is left out of the page."""
    at, networks = report.anchors, report.networks
    apart = [group_context(v, networks[v.slug], at[v.slug], drawn=False) for v in report.apart]
    beside = {table.group.slug: table for table in report.controls}
    alone = [
        group_context(v, networks[v.slug], at[v.slug], beside.get(v.slug)) for v in report.alone
    ]
    headline = report.headline if report.searched else None
    return {
        "headline": {"table": headline, "transferred": bool(report.groups)},
        "verified": _some("tables", _verified(report)),
        "frontier": _some("table", report.frontiers if report.frontiers.rows else None),
        "variance": _some("table", report.variance if report.variance.rows else None),
        "pictures": _some("groups", shown.pictures),
        "training": _some("groups", shown.trainings),
        "efficiency": _some("tables", [_efficiency(table) for table in report.efficiency]),
        "controls": _controls(report, apart) if report.controls else {},
        "verdicts": _some("groups", alone) and {"groups": alone, "fold": len(alone) > MANY_GROUPS},
        "masks": mask_context(report.masks, report.densities),
        "notices": {
            "flags": _kinds(report.flags),
            "warnings": _kinds((*report.warnings, *shown.notices)),
            "unfinished": report.data.unfinished,
        },
        "pretrain": _some("table", pretrain_table(report.data) if report.data.pretrain else None),
        "evaluations": evaluation_context(report.data),
        "reproduce": {"runs": report.data.runs},
    }


def _some(key: str, value: Any) -> dict[str, Any]:
    return {key: value} if value else {}


def _verified(report: Report) -> list[dict[str, Any]]:
    known = {verdict.slug: verdict.title for verdict in report.groups}
    return [{"title": known[slug], "table": t} for slug, t in report.verifications.items()]


def _controls(report: Report, apart: Sequence[dict[str, Any]]) -> dict[str, Any]:
    titles = search_titles([table.group.group for table in report.controls])
    pairs = zip(report.controls, titles, strict=True)
    return {
        "tally": report.tally,
        "tables": [control_page_table(table, title) for table, title in pairs],
        "open": len(report.controls) <= OPEN_CONTROLS,
        "groups": apart,
    }


def _efficiency(found: EfficiencyTable) -> dict[str, Any]:
    signs = {name: sign for name, (_, _, sign) in looks(found).items()}
    return {
        "title": found.title,
        "attack": found.attack,
        "extremes": extreme_table(found),
        "numbers": number_table(found),
        "colours": colour_names(found),
        "signs": signs,
        "plots": [layout(panel) for panel in efficiency_panels(found)],
    }


def _kinds(notices: Sequence[Notice]) -> list[dict[str, Any]]:
    """Notices by code; many of one kind are folded."""
    ordered = sorted(notices, key=lambda notice: notice.code)
    alike = [(code, list(found)) for code, found in groupby(ordered, lambda notice: notice.code)]
    return [
        {"code": code, "notices": found, "fold": len(found) > UNFOLDED} for code, found in alike
    ]


def _read(name: str) -> str:
    return resources.files("dwlt.report").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _templates() -> Environment:
    """The templates; a name that a template uses and nobody gave is an error, not a blank."""
    return Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
