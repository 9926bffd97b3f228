"""Searches for the frontier as a table: what each asked for, decided, and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby

from dwlt.report.place import PLACE, pretrain_cells, prune_cells
from dwlt.report.table import Column, Entry, Row, Table, Value
from dwlt.results import FrontierResult, Spent
from dwlt.results.names import pretrain_names, search_names
from dwlt.units import share, sparsity_text

EPOCHS = ("pretrain", "prune", "transfer", "total")

COLUMNS = (
    Column("run"),
    *PLACE,
    Column("start", "Pre-training", left=True, first=True, csv=False, json=False),
    Column("by", "Tickets found by", "found by", left=True, csv=False, json=False, drop=3),
    Column("on", "Task", left=True, csv=False, json=False),
    Column("round"),
    Column("kept"),
    Column("total"),
    Column("sparsity", "Extreme sparsity", "extreme", left=True),
    Column("confidence"),
    Column("reason"),
    Column("path", "Rounds asked for", left=True, look="wrap", drop=1),
    Column("attempts", "Decided", left=True, look="wrap", drop=2),
    Column("transfers", "Transfers"),
    Column("spent", "Epochs spent", "epochs", parts=EPOCHS),
    Column("full", "Full grid", parts=EPOCHS),
    Column("times", "Fewer", csv=False, json=False),
)


def frontier_table(found: Sequence[FrontierResult]) -> Table:
    """One row for each search that has ended; no rows where none was made."""
    starts = pretrain_names(one.pretrain for one in found)
    searches = search_names(one.prune for one in found)
    rows = []
    for one in found:
        part = f", {share(one.fraction)} of data" if one.fraction < 1 else ""
        cells: dict[str, Value] = {
            "run": one.label,
            **pretrain_cells(one.pretrain),
            **prune_cells(one.prune),
            "task": one.task.name,
            "fraction": f"{one.fraction:.10g}",
            "attack": one.attack or "",
            "start": starts[one.pretrain.id],
            "by": searches[one.prune.id],
            "on": f"{one.task.name}{part}",
            "round": one.extreme,
            "kept": one.kept,
            "total": one.total,
            "sparsity": extreme_cell(one),
            "confidence": one.confidence,
            "reason": one.reason,
            "path": Entry(path_text(one), [asdict(step) for step in one.path]),
            "attempts": Entry(decided_text(one), [asdict(step) for step in one.attempts]),
            "transfers": len({run for step in one.path for run in step.runs}),
            "spent": _epochs(one.spent),
            "full": _epochs(one.full),
            "times": f"{one.full.total / max(1, one.spent.total):.1f} x",
        }
        rows.append(Row(cells))
    return Table("frontier", "Searches for the frontier", COLUMNS, tuple(rows))


def extreme_cell(one: FrontierResult) -> Entry:
    """The confirmed sparsity with its round and confidence, or why there is none."""
    if one.extreme is None or one.kept is None or one.total is None:
        return Entry("none", None, small=(one.reason,))
    shown = sparsity_text(one.kept, one.total)
    sure = f"{100 * one.confidence:g}% confidence"
    return Entry(f"≥ {shown}", shown, small=(f"round {one.extreme}, {sure}",))


def path_text(one: FrontierResult) -> str:
    """The rounds in the order in which they were asked for: "locate 0, 10; confirm 0, 10"."""
    told = []
    for phase, steps in groupby(one.path, lambda step: step.phase):
        rounds = [str(round_) for round_, _ in groupby(steps, lambda step: step.round)]
        told.append(f"{phase} {', '.join(rounds)}")
    return "; ".join(told) or "–"


def decided_text(one: FrontierResult) -> str:
    """Each look of a confirmation: "round 10 with 3 seeds: undecided"."""
    return (
        "; ".join(f"round {a.round} with {a.seeds} seeds: {a.decision}" for a in one.attempts)
        or "–"
    )


def _epochs(spent: Spent) -> Entry:
    return Entry(f"{spent.total:,}", asdict(spent) | {"total": spent.total})
