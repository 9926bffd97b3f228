"""The headline table on the page: extreme sparsities, each a link to its group."""

from __future__ import annotations

from collections.abc import Mapping

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
from dwlt.report.verdict import GroupVerdict, Report


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
    head = [element("th", name, scope="col", class_="l") for name in names]
    head += [element("th", *_column(column), scope="col", class_="l") for column in found.columns]
    rows = []
    for row in found.rows:
        titles = [row.pretrain, *([row.search] if found.several else [])]
        cells = [element("th", *_name(title), scope="row", class_="l") for title in titles]
        cells += [
            element("td", *_cell(cell, found.shared, anchors), class_="l") for cell in row.cells
        ]
        rows.append(element("tr", *cells))
    shared = f" {'; '.join(found.shared)}." if found.shared else ""
    table = element(
        "table",
        caption(
            "Sparsity of the sparsest double-win ticket, by pre-training and downstream task."
            f"{shared}"
        ),
        element("thead", element("tr", *head)),
        element("tbody", *rows),
        class_="headline",
    )
    return element("section", element("h2", "Extreme sparsity"), scroll(table, "Extreme sparsity"))


def _column(column: Column) -> tuple[Html, ...]:
    small = element("span", ", ".join(column.details), class_="sub") if column.details else Html("")
    return (join(column.task), small)


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
        lines.append(f"one checkpoint: {extreme_text(verdict.strict)}")
    small = [element("span", line, class_="sub") for line in lines]
    return (element("span", link, class_="big" if won else "big none"), *small)
