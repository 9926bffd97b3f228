"""Tickets against their controls as tables; see ``dwlt.verdict.controls``."""

from __future__ import annotations

from collections.abc import Sequence

from dwlt.report.names import search_titles
from dwlt.report.networks import LEVEL
from dwlt.report.place import PLACE, place
from dwlt.report.table import Column, Entry, Row, Table, Value
from dwlt.report.verdicts import level_value, network_seeds, percent, signed, verdict_cell
from dwlt.units import sparsity_text
from dwlt.verdict.controls import Control, ControlTable, Difference, Lead, Round
from dwlt.verdict.groups import Network
from dwlt.verdict.judge import TicketVerdict
from dwlt.verdict.outcomes import NUMBERS

_NUMBERS = tuple(Column(n.key, f"{n.kind.upper()}, {n.regime}") for n in NUMBERS)


def tally_table(tables: Sequence[ControlTable]) -> Table:
    """On how many numbers a ticket is better than its control, over rounds."""
    leads = (Lead.TICKET, Lead.UNCLEAR, Lead.CONTROL)
    heads = ("Ticket better", "Unclear", "Control better")
    columns = (
        Column("tickets", "Tickets", "tickets", left=True, first=True, look="wide"),
        Column("name", "Control", "control", left=True),
        *(Column(lead.value, head, head.lower()) for lead, head in zip(leads, heads, strict=True)),
    )
    rows = [
        Row({"tickets": title, "name": name, **{lead.value: tally[lead] for lead in leads}})
        for title, table in zip(
            search_titles([table.group.group for table in tables]), tables, strict=True
        )
        for name, tally in table.tally().items()
    ]
    told = "the four numbers of every round that has the control; better: beyond doubt"
    title = "Tickets against controls of the same sparsity: how many of the numbers"
    return Table("tally", title, columns, tuple(rows), f"{told.capitalize()}.", told)


def control_page_table(table: ControlTable, title: str) -> Table:
    """Tickets with their controls below them, by round."""
    columns = (
        Column("network", "Network", left=True, first=True),
        Column("verdict", "Verdict", left=True),
        *_NUMBERS,
        Column("seeds", "Seeds"),
        Column("kept", "Weights kept"),
    )
    numbers = len(table.group.decides.numbers)
    rows = []
    for round_ in table.rounds:
        net = round_.network
        name = Entry(f"ticket, {sparsity_text(net.kept, net.total)}", small=(f"round {net.round}",))
        mine = round_.ticket.ticket.numbers
        cells: dict[str, Value] = {n.key: percent(mine.get(n)) for n in NUMBERS}
        rows.append(_row(name, net, round_.ticket, numbers, cells, "dense"))
        for control in round_.controls:
            cells = {found.number.key: _difference_cell(found) for found in control.differences}
            rows.append(_row(Entry(control.name), control.network, control.verdict, numbers, cells))
    return Table("controls", title, columns, tuple(rows))


def _row(
    name: Entry,
    network: Network,
    verdict: TicketVerdict,
    numbers: int,
    cells: dict[str, Value],
    look: str = "",
) -> Row:
    shown = {"network": name, "verdict": verdict_cell(verdict, numbers), "kept": network.kept}
    return Row({**shown, "seeds": network_seeds(network), **cells}, look)


def _difference_cell(found: Difference) -> Entry:
    """A control's number; in small print control minus ticket, signed, with the word for it."""
    text = percent(found.measured)
    if found.lead is None:
        return Entry(text, small=("not comparable",) if found.measured is not None else ())
    word = {Lead.TICKET: "worse", Lead.CONTROL: "better"}.get(found.state, "unclear")
    look = {Lead.TICKET: "short", Lead.CONTROL: "match"}.get(found.state, "unclear")
    return Entry(text, state=look, small=(f"{signed(-100 * found.lead)} {word}",))


def control_long_table(tables: Sequence[ControlTable]) -> Table:
    """One line per control network and number, for programs."""
    keys = ("ticket_prune_id", "round", "kept", "total", "ticket_kept")
    columns = (
        *PLACE,
        *(Column(key) for key in (*keys, "verdict", "ticket_verdict", "number")),
        *(Column(side, parts=LEVEL) for side in ("ticket", "control")),
        *(Column(key) for key in ("lead", "error", "better")),
    )
    rows = [
        Row(_long_cells(table, round_, control, found))
        for table in tables
        for round_ in table.rounds
        for control in round_.controls
        for found in control.differences
    ]
    return Table("controls", "Controls", columns, tuple(rows))


def _long_cells(
    table: ControlTable, round_: Round, control: Control, found: Difference
) -> dict[str, Value]:
    net = control.network
    return place(control.group) | {
        "ticket_prune_id": table.group.group.prune.id,
        "round": net.round,
        "kept": net.kept,
        "total": net.total,
        "ticket_kept": round_.network.kept,
        "verdict": control.verdict.verdict.value,
        "ticket_verdict": round_.ticket.verdict.value,
        "number": found.number.key,
        "ticket": level_value(round_.ticket.ticket.numbers.get(found.number)),
        "control": level_value(found.measured),
        "lead": found.lead,
        "error": found.error,
        "better": found.state.value,
    }
