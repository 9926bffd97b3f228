"""The report as plain tables of text, for a terminal or any other display. No Rich here."""

from __future__ import annotations

from dataclasses import dataclass

from dwlt.report.groups import REGIMES, share
from dwlt.report.records import Accuracy, sparsity
from dwlt.report.stats import Level
from dwlt.report.verdict import (
    NUMBERS,
    Comparison,
    GroupVerdict,
    Match,
    Report,
    needed,
)

MARKS = {Match.MATCH: "✓", Match.SHORT: "✗", Match.UNCLEAR: "?", Match.MISSING: "–"}
"""What stands behind each number; the words are in the tables' captions."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table for any display. The first ``left`` columns are text, the others numbers."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1


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


def headline(report: Report) -> Table:
    """Extreme sparsities: a row per pre-training and prune run, a column per task and fraction."""
    columns: dict[str, None] = {}
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for verdict in report.groups:
        column = column_title(verdict)
        columns[column] = None
        cells.setdefault(row_title(verdict), {})[column] = extreme_text(verdict)
    rows = tuple((*row, *(cells[row].get(column, "") for column in columns)) for row in cells)
    return Table(
        "Extreme sparsity: the sparsest double-win ticket",
        ("pre-training", "tickets found by", *columns),
        rows,
        left=2,
    )


def row_title(verdict: GroupVerdict) -> tuple[str, str]:
    """Pre-training and prune run, as the rows of the headline table are called."""
    group = verdict.group
    pretrain, prune = group.pretrain, group.prune
    return (
        f"{pretrain.regime} ({pretrain.name}-{pretrain.id})",
        f"{prune.method}, {prune.regime} ({prune.name}-{prune.id})",
    )


def column_title(verdict: GroupVerdict) -> str:
    """Task, fraction where it is not the whole, and attack."""
    group = verdict.group
    part = f" {share(group.fraction)}" if group.fraction < 1 else ""
    return f"{group.task.name}{part}, {group.attack or 'RA not measured'}"


def extreme_text(verdict: GroupVerdict) -> str:
    """The group's extreme sparsity, or why there is none."""
    if verdict.extreme is not None:
        network = verdict.extreme.network
        return sparsity(network.kept, network.total)
    return "none" if verdict.tickets else "no ticket yet"


def terminal_tables(report: Report) -> list[Table]:
    """What ``dwlt report`` prints: the headline, then one table per group."""
    if not report.groups:
        return []
    return [headline(report), *(_group_table(verdict) for verdict in report.groups)]


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
