"""The headline table on the page: extreme sparsities, each a link to its group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from dwlt.report.content import Report
from dwlt.report.headline import (
    Column,
    extreme_text,
    headline,
    seeds_of,
    seeds_text,
    undecided_beyond,
)
from dwlt.report.html import Html, element, join
from dwlt.report.page_parts import caption, scroll
from dwlt.verdict.rule import GroupVerdict


def headline_section(report: Report, anchors: Mapping[str, str]) -> Html:
    """The table, or what to do where there is nothing to put into it.

    Args:
        report: what is reported.
        anchors: where on the page each group is, by its slug.
    """
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
    found = headline(report)
    if not found.rows:
        words = "No ticket of iterative pruning has been transferred; what follows are controls."
        return element("section", element("h2", "Extreme sparsity"), element("p", words))
    names = ["Pre-training", *(["Tickets found by"] if found.several else [])]
    rows = []
    for row in found.rows:
        titles = [row.pretrain, *([row.search] if found.several else [])]
        cells = [element("th", *_name(title), scope="row", class_="first") for title in titles]
        cells += [
            element("td", *_cell(cell, found.shared, anchors), class_="l") for cell in row.cells
        ]
        rows.append(element("tr", *cells))
    shared = f" {'; '.join(found.shared)}." if found.shared else ""
    table = element(
        "table",
        caption(
            "Sparsity of the sparsest double-win ticket, by pre-training and downstream task."
            f"{shared} Undecided: a sparser ticket of which too little is known. Strict: SA and RA "
            "of one checkpoint."
        ),
        _head(names, found.columns),
        element("tbody", *rows),
        class_="headline",
    )
    return element("section", element("h2", "Extreme sparsity"), scroll(table, "Extreme sparsity"))


def _head(names: Sequence[str], columns: Sequence[Column]) -> Html:
    """Tasks above, and below them what tells the columns of one task apart."""
    deep = 2 if any(column.details for column in columns) else 1
    look = "l task" if deep > 1 else "l"
    top = [element("th", name, scope="col", rowspan=deep, class_="first") for name in names]
    below = []
    for task, group in groupby(columns, lambda column: column.task):
        alike = list(group)
        scope = "colgroup" if len(alike) > 1 else "col"
        top.append(element("th", task, scope=scope, colspan=len(alike), class_=look))
        below += [
            element("th", ", ".join(column.details) or "all data", scope="col", class_="l")
            for column in alike
        ]
    lines = [element("tr", *top), *([element("tr", *below)] if deep > 1 else [])]
    return element("thead", *lines)


def _name(title: str) -> tuple[Html, ...]:
    """ "regime (name-id)" with the run's name on a line of its own."""
    head, _, rest = title.partition(" (")
    small = element("span", rest.removesuffix(")"), class_="sub id") if rest else Html("")
    return (join(head), small)


def _cell(
    verdict: GroupVerdict | None, shared: tuple[str, ...], anchors: Mapping[str, str]
) -> tuple[Html, ...]:
    if verdict is None:
        return (element("span", "–", class_="quiet"),)
    text = extreme_text(verdict.main)
    link = element("a", text, href=f"#{anchors[verdict.slug]}")
    won = verdict.extreme is not None
    said = []
    if verdict.extreme is not None:
        said.append(f"round {verdict.extreme.network.round}")
    if (seeds := seeds_text(seeds_of(verdict))) not in shared:
        said.append(seeds)
    lines = [", ".join(said)] if said else []
    if (beyond := undecided_beyond(verdict.main)) is not None:
        lines.append(f"undecided: {beyond}")
    if verdict.tickets:
        lines.append(f"strict: {extreme_text(verdict.strict)}")
    small = [element("span", line, class_="sub") for line in lines]
    return (element("span", link, class_="big" if won else "big none"), *small)
