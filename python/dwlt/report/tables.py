"""The report as plain tables of text, for a terminal or any other display. No Rich here."""

from __future__ import annotations

from dataclasses import dataclass

from dwlt.report.content import Report
from dwlt.report.controls import ControlTable, Lead, control_tables
from dwlt.report.headline import extreme_text, headline, seeds_of
from dwlt.report.names import pretrain_names
from dwlt.results import Accuracy, sparsity
from dwlt.verdict.groups import REGIMES, share
from dwlt.verdict.rule import NUMBERS, Comparison, GroupVerdict, Match, needed
from dwlt.verdict.stats import Level

MARKS = {Match.MATCH: "✓", Match.SHORT: "✗", Match.UNCLEAR: "?", Match.MISSING: "–"}
"""What stands behind each number; the words are in the tables' captions."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table for any display. The first ``left`` columns are text, the others numbers.

    ``note`` is what a reader must know besides, "" where that is nothing.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1
    note: str = ""


def percent(level: Level | None) -> str:
    """A level as "91.25 ± 0.40" (percent), or a dash where it was not measured."""
    return "–" if level is None else f"{100 * level.mean:.2f} ± {100 * level.spread:.2f}"


def accuracy(value: Accuracy | None) -> str:
    """One accuracy as percent with two decimals, or a dash."""
    return "–" if value is None else f"{100 * value.value:.2f}"


def seeds_text(ticket_or_dense: tuple[int, ...]) -> str:
    """Numbers of seeds per regime: "3", or "3 / 2" where they differ."""
    counts = [str(count) for count in ticket_or_dense]
    return counts[0] if len(set(counts)) == 1 else " / ".join(counts)


def terminal_tables(report: Report) -> list[Table]:
    """What ``dwlt report`` prints: the headline, a table per group, and what controls came to.

    Controls that are held against a ticket have no table of their own.
    """
    if not report.groups:
        return []
    controls = control_tables(report)
    apart = controls_of(controls)
    groups = [verdict for verdict in report.groups if verdict.slug not in apart]
    head = _headline_table(report)
    tables = [*([head] if head.rows else []), *(_group_table(verdict) for verdict in groups)]
    return [*tables, _controls_table(controls)] if controls else tables


def controls_of(tables: tuple[ControlTable, ...]) -> set[str]:
    """Slugs of the groups of controls that stand in a table beside their ticket."""
    return {
        control.slug for table in tables for round_ in table.rounds for control in round_.controls
    }


def _headline_table(report: Report) -> Table:
    found = headline(report)
    alike = any("seed" in fact for fact in found.shared)
    names = ("pre-training", "tickets found by") if found.several else ("pre-training",)
    rows = tuple(
        (
            *((row.pretrain, row.search) if found.several else (row.pretrain,)),
            *("" if cell is None else _extreme(cell, seeds=not alike) for cell in row.cells),
        )
        for row in found.rows
    )
    return Table(
        "Extreme sparsity: the sparsest double-win ticket",
        (*names, *(column.title for column in found.columns)),
        rows,
        left=len(names),
        note=", ".join(found.shared),
    )


def _extreme(verdict: GroupVerdict, *, seeds: bool) -> str:
    count = seeds_of(verdict)
    text = extreme_text(verdict.main)
    return f"{text} ({count} seed{'' if count == 1 else 's'})" if seeds else text


def _controls_table(tables: tuple[ControlTable, ...]) -> Table:
    """How often a ticket is better than its control, over rounds and the four numbers."""
    names = pretrain_names(table.group.group.pretrain for table in tables)
    rows = []
    for table in tables:
        group = table.group.group
        task = group.task.name + (f" {share(group.fraction)}" if group.fraction < 1 else "")
        for name, tally in table.tally().items():
            counts = [tally[lead] for lead in (Lead.TICKET, Lead.UNCLEAR, Lead.CONTROL)]
            rows.append((names[group.pretrain.id], task, name, *map(str, counts)))
    return Table(
        "Tickets against controls of the same sparsity: how many of the numbers",
        ("pre-training", "task", "control", "ticket better", "unclear", "control better"),
        tuple(rows),
        left=3,
        note="the four numbers of every round that has the control; better: beyond doubt",
    )


def _group_table(verdict: GroupVerdict) -> Table:
    head = ("round", "verdict", "sparsity", "kept", *(n.title for n in NUMBERS), "seeds")
    rows = []
    if verdict.group.dense is not None:
        dense = verdict.group.dense
        counts = tuple(len(dense.seeds(regime)) for regime in REGIMES)
        levels = [percent(level) for level in verdict.dense]
        total = str(dense.total)
        rows.append(("0", "dense", "0.00%", total, *levels, seeds_text(counts)))
        bounds = ["–" if x is None else f"≥ {100 * needed(x):.2f}" for x in verdict.dense]
        rows.append(("", "to match", "", "", *bounds, ""))
    for ticket in verdict.tickets:
        network = ticket.network
        counts = tuple(len(network.seeds(regime)) for regime in REGIMES)
        rows.append(
            (
                str(network.round),
                ticket.verdict.value,
                sparsity(network.kept, network.total),
                str(network.kept),
                *(_marked(c) for c in ticket.comparisons),
                seeds_text(counts),
            )
        )
    return Table(verdict.group.label, head, tuple(rows), left=2)


def _marked(comparison: Comparison) -> str:
    text = percent(comparison.level)
    return text if comparison.level is None else f"{text} {MARKS[comparison.match]}"
