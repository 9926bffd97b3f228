"""The report as one HTML file that needs nothing else: no network, no scripts, no fonts."""

from __future__ import annotations

from importlib import resources

from dwlt.report import page_parts as parts
from dwlt.report.html import Html, element, join
from dwlt.report.page_evaluations import evaluation_section
from dwlt.report.records import Notice
from dwlt.report.tables import Table, headline
from dwlt.report.verdict import Report

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


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
    sections = [_opening(report), _headline(report)]
    sections += [parts.group_section(verdict, n) for n, verdict in enumerate(report.groups)]
    sections += [parts.density_sections(report), _notices(report), parts.other_results(report)]
    sections.append(evaluation_section(report.data))
    sections.append(parts.reproduce(report))
    return [section for section in sections if section]


def _opening(report: Report) -> Html:
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
    )


def _headline(report: Report) -> Html:
    if not report.groups:
        return element(
            "section",
            element("h2", "No transfers yet"),
            element(
                "p",
                "There is nothing to judge before tickets have been transferred: run ",
                element("code", "dwlt transfer"),
                " and ",
                element("code", "dwlt transfer --adv"),
                ".",
            ),
        )
    return element(
        "section",
        element("h2", "Extreme sparsity"),
        parts.scroll(_headline_table(headline(report)), "Extreme sparsity"),
    )


def _headline_table(table: Table) -> Html:
    columns = [
        element("th", parts.first_word(title), scope="col", class_="l") for title in table.head
    ]
    rows = []
    for row in table.rows:
        names = [
            element("th", *parts.name_and_id(cell), scope="row", class_="l")
            for cell in row[: table.left]
        ]
        values = [
            element("td", _extreme(cell), class_="l") if cell else element("td", "", class_="l")
            for cell in row[table.left :]
        ]
        rows.append(element("tr", *names, *values))
    return element(
        "table",
        parts.caption(
            "Sparsity of the sparsest double-win ticket, by pre-training run and downstream task.",
        ),
        element("thead", element("tr", *columns)),
        element("tbody", *rows),
        class_="headline",
    )


def _extreme(text: str) -> Html:
    big = text.endswith("%")
    return element("span", text, class_="big" if big else "big none")


def _notices(report: Report) -> Html:
    """Flags of results and warnings of files; the section is there even when there are none."""
    return element(
        "section",
        element("h2", "Flags and warnings"),
        _notice_list("Flags: what to keep in mind about these results", report.flags),
        _notice_list("Warnings: what was kept apart or left out", report.warnings),
        _unfinished(report),
    )


def _notice_list(title: str, notices: tuple[Notice, ...]) -> Html:
    if not notices:
        return join(element("h3", title), element("p", "None.", class_="quiet"))
    items = [
        element(
            "li",
            element("strong", notice.code),
            " · ",
            notice.text,
            " ",
            element("span", notice.where, class_="sub"),
        )
        for notice in notices
    ]
    return join(element("h3", title), element("ul", *items, class_="list"))


def _unfinished(report: Report) -> Html:
    if not report.data.unfinished:
        return Html("")
    items = [
        element("li", element("code", run.folder), f": {run.detail}")
        for run in report.data.unfinished
    ]
    return join(
        element("h3", "Unfinished runs"),
        element("p", "Run the same command again and it goes on where it stopped.", class_="quiet"),
        element("ul", *items, class_="list"),
    )
