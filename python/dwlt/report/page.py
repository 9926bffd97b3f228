"""The report as one HTML file that needs nothing else: no network, no scripts, no fonts."""

from __future__ import annotations

from importlib import resources

from dwlt.report import page_parts as parts
from dwlt.report.content import Report
from dwlt.report.controls import control_tables
from dwlt.report.headline import extreme_text
from dwlt.report.html import Html, element, join
from dwlt.report.page_evaluations import evaluation_section
from dwlt.report.sections.controls import control_section
from dwlt.report.sections.efficiency import efficiency_section
from dwlt.report.sections.group import group_body, group_titles
from dwlt.report.sections.headline import headline_section
from dwlt.report.sections.masks import mask_section
from dwlt.report.sections.notices import notice_section
from dwlt.report.tables import controls_of
from dwlt.verdict.rule import GroupVerdict

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

MANY_GROUPS = 4
"""With more groups than this each is folded behind its title, and the page begins with links."""


def render(report: Report) -> str:
    """The whole page as text, the same for the same results (it carries no clock)."""
    css = resources.files("dwlt.report").joinpath("page.css").read_text(encoding="utf-8")
    head = element(
        "head",
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        # Were a hostile name ever to slip through, the browser would still load and run nothing.
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        element("title", "Double-win lottery tickets: report"),
        element("style", Html(css)),
    )
    body = element("body", element("main", *_body(report)))
    return f'<!doctype html>\n<html lang="en">{head}{body}</html>\n'


def _body(report: Report) -> list[Html]:
    groups = _Groups(report)
    sections = {
        "Extreme sparsity": headline_section(report, groups.anchors),
        "Data efficiency": efficiency_section(report),
        "Controls": control_section(report, groups.controls()),
        "Verdicts": groups.verdicts(),
        "The masks": mask_section(report),
        "Flags and warnings": notice_section(report),
        "Other results": parts.other_results(report),
        "Evaluations": evaluation_section(report.data),
        "Reproduce": parts.reproduce(report),
    }
    shown = {title: section for title, section in sections.items() if section}
    anchored = [element("div", section, id=_anchor(title)) for title, section in shown.items()]
    return [_opening(report, list(shown)), *anchored]


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _extreme(verdict: GroupVerdict) -> str:
    text = extreme_text(verdict.main)
    return text if verdict.extreme is None else f"extreme sparsity {text}"


class _Groups:
    """The groups of a report on the page: tickets first, controls beside a ticket at the end."""

    def __init__(self, report: Report) -> None:
        self.anchors = {verdict.slug: f"group-{n}" for n, verdict in enumerate(report.groups, 1)}
        self._titles = group_titles(report)
        beside = controls_of(control_tables(report))
        self._own = [verdict for verdict in report.groups if verdict.slug not in beside]
        self._beside = [verdict for verdict in report.groups if verdict.slug in beside]

    def verdicts(self) -> Html:
        """Each group in a section of its own, or, when they are many, folded into one section."""
        if len(self._own) > MANY_GROUPS:
            lead = "Each opens on a click, and from its cell in the first table."
            return element(
                "section",
                element("h2", "Verdicts"),
                element("p", lead, class_="quiet"),
                *(self._folded(verdict, at) for at, verdict in enumerate(self._own)),
            )
        return join(
            *(
                element(
                    "section",
                    element("h2", self._titles[verdict.slug]),
                    group_body(verdict, self._titles[verdict.slug], at),
                    id=self.anchors[verdict.slug],
                )
                for at, verdict in enumerate(self._own)
            )
        )

    def controls(self) -> Html:
        """The controls' own verdicts, folded and without figures: their place is by the ticket."""
        if not self._beside:
            return Html("")
        return parts.folded(
            f"All {len(self._beside)} groups of controls, each against its dense network",
            *(self._folded(verdict, None) for verdict in self._beside),
        )

    def _folded(self, verdict: GroupVerdict, index: int | None) -> Html:
        title = self._titles[verdict.slug]
        return parts.folded(
            f"{title}, {_extreme(verdict)}",
            group_body(verdict, title, index or 0, drawn=index is not None),
            id_=self.anchors[verdict.slug],
        )


def _opening(report: Report, titles: list[str]) -> Html:
    runs = report.data.runs
    finished = max((run.finished for run in runs), default="")
    open_runs = len(report.data.unfinished)
    said = f"{len(runs)} finished run{'s' if len(runs) != 1 else ''}"
    if open_runs:
        said += f", {open_runs} unfinished"
    if finished:
        said += f"; the latest finished {finished.replace('T', ' ').replace('Z', ' UTC')}"
    return element(
        "header",
        element("h1", "Double-win lottery tickets"),
        element("p", f"{said}.", class_="quiet"),
        element(
            "p",
            "A ticket is a sparse subnetwork of a pre-trained network. It is a ",
            element("strong", "double-win"),
            " when, moved to a new task, it is as good as the whole network in standard accuracy "
            "(SA) and in robust accuracy (RA), under standard and under adversarial transfer: "
            "four numbers, each no lower than the dense mean minus its tolerance.",
        ),
        element(
            "nav",
            *(element("a", _link(title, report), href=f"#{_anchor(title)}") for title in titles),
            aria_label="On this page",
        ),
    )


def _link(title: str, report: Report) -> str:
    """A section's title, with how many flags and warnings there are."""
    count = len(report.flags) + len(report.warnings)
    return f"{title} ({count})" if title == "Flags and warnings" and count else title
