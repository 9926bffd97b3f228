"""Tickets beside their controls on the page."""

from __future__ import annotations

from dwlt.report.content import Report
from dwlt.report.controls import Control, ControlTable, Difference, Lead, Round, control_tables
from dwlt.report.html import Html, element, join
from dwlt.report.names import pretrain_names, search_names
from dwlt.report.page_parts import badge, caption, folded, scroll
from dwlt.report.tables import percent, seeds_text
from dwlt.results import sparsity
from dwlt.verdict.groups import REGIMES, Network, share
from dwlt.verdict.rule import NUMBERS, TicketVerdict

_UNFOLDED = 2
"""So many tables are open from the start."""

_WORDS = {Lead.TICKET: "worse", Lead.CONTROL: "better", Lead.UNCLEAR: "unclear"}
"""What a control is beside its ticket."""

_LOOKS = {Lead.TICKET: "short", Lead.CONTROL: "match", Lead.UNCLEAR: "unclear"}


def control_section(report: Report, in_full: Html) -> Html:
    """A summary and a table per group with controls; nothing where no control was transferred.

    Args:
        report: what is reported.
        in_full: the controls' own verdicts, which come last.
    """
    tables = control_tables(report)
    if not tables:
        return Html("")
    titles = _titles(tables)
    detail = [
        folded(
            title,
            scroll(_table(table), f"Controls, {title}"),
            unfolded=len(tables) <= _UNFOLDED,
        )
        for title, table in zip(titles, tables, strict=True)
    ]
    return element(
        "section",
        element("h2", "Tickets against controls"),
        element(
            "p",
            "A control has the sparsity of the ticket without what the search found: ",
            element("strong", "oneshot"),
            " was trained once and cut, ",
            element("strong", "random"),
            " keeps weights at random over the whole network, ",
            element("strong", "layerwise-random"),
            " the same share of every layer, ",
            element("strong", "shuffled"),
            " the ticket's own number in every layer, and ",
            element("strong", "reinit"),
            " has the ticket's masks on newly initialised weights.",
        ),
        scroll(_summary(titles, tables), "Tickets against controls"),
        *detail,
        in_full,
    )


def _titles(tables: tuple[ControlTable, ...]) -> list[str]:
    """Pre-training, task and fraction; the search too where a pre-training has several."""
    pretrains = pretrain_names(table.group.group.pretrain for table in tables)
    titles = []
    for table in tables:
        group = table.group.group
        alike = [
            other.group.group.prune
            for other in tables
            if other.group.group.pretrain.id == group.pretrain.id
        ]
        names = search_names(alike)
        search = f", {names[group.prune.id]} search" if len(names) > 1 else ""
        part = f", {share(group.fraction)} of the data" if group.fraction < 1 else ""
        titles.append(f"{pretrains[group.pretrain.id]} → {group.task.name}{part}{search}")
    return titles


def _summary(titles: list[str], tables: tuple[ControlTable, ...]) -> Html:
    """One row per table, one column per control: on how many numbers the ticket is better."""
    names = list(dict.fromkeys(name for table in tables for name in table.tally()))
    rows = []
    for title, table in zip(titles, tables, strict=True):
        tally = table.tally()
        cells = []
        for name in names:
            if name not in tally:
                cells.append(element("td", "–"))
                continue
            found = tally[name]
            text = f"{found[Lead.TICKET]} / {found[Lead.UNCLEAR]} / {found[Lead.CONTROL]}"
            cells.append(element("td", text))
        rows.append(element("tr", element("th", title, scope="row", class_="first wide"), *cells))
    return element(
        "table",
        caption(
            "Over all rounds that have the control and all four numbers: on how many the ticket "
            "is better beyond doubt / unclear / the control is better beyond doubt."
        ),
        element(
            "thead",
            element(
                "tr",
                element("th", "Tickets", scope="col", class_="first"),
                *(element("th", name, scope="col") for name in names),
            ),
        ),
        element("tbody", *rows),
    )


def _table(table: ControlTable) -> Html:
    rows = [row for round_ in table.rounds for row in _round_rows(round_)]
    heads = [
        element("th", f"{number.kind.upper()}, {number.regime}", scope="col") for number in NUMBERS
    ]
    return element(
        "table",
        caption(
            "Test accuracy in percent, mean ± spread over seeds; in small print the control minus "
            "the ticket, and whether that is beyond doubt. The verdict is the one against the "
            "dense network."
        ),
        element(
            "thead",
            element(
                "tr",
                element("th", "Network", scope="col", class_="first"),
                element("th", "Verdict", scope="col", class_="l"),
                *heads,
                element("th", "Seeds", scope="col"),
                element("th", "Weights kept", scope="col"),
            ),
        ),
        element("tbody", *rows),
    )


def _round_rows(round_: Round) -> list[Html]:
    network = round_.ticket.network
    name = join(
        f"ticket, {sparsity(network.kept, network.total)}",
        element("span", f"round {network.round}", class_="sub"),
    )
    cells = [element("td", percent(c.level)) for c in round_.ticket.comparisons]
    return [
        _row(name, round_.ticket, cells, class_="dense"),
        *(_control_row(control) for control in round_.controls),
    ]


def _control_row(control: Control) -> Html:
    cells = [element("td", percent(found.level), _distance(found)) for found in control.differences]
    return _row(join(control.name), control.verdict, cells)


def _row(
    name: Html, ticket: TicketVerdict, cells: list[Html], *, class_: str | None = None
) -> Html:
    network = ticket.network
    return element(
        "tr",
        element("th", name, scope="row", class_="first"),
        element("td", badge(ticket.verdict), class_="l"),
        *cells,
        element("td", _seeds(network)),
        element("td", f"{network.kept:,}"),
        class_=class_,
    )


def _seeds(network: Network) -> str:
    return seeds_text(tuple(len(network.seeds(regime)) for regime in REGIMES))


def _distance(found: Difference) -> Html:
    """Control minus ticket, signed, with the word for it."""
    if found.lead is None or found.error is None:
        return element("span", "not comparable" if found.level is not None else "", class_="sub")
    away = round(-100 * found.lead, 2) + 0.0
    text = f"{away:+.2f}".replace("-", "−") if away else "0.00"
    text = f"{text} {_WORDS[found.state]}"
    return element(
        "span",
        text,
        class_=f"sub {_LOOKS[found.state]}",
        title=f"error of the difference {100 * found.error:.2f}",
    )
