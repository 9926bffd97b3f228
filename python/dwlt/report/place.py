"""What a line of the report's files is about: which runs, task, share and attack."""

from __future__ import annotations

from dwlt.report.table import Column, Value
from dwlt.results import RunRef, SearchRef
from dwlt.verdict.groups import Group

PLACE = tuple(
    Column(key)
    for key in (
        *("pretrain_id", "pretrain_name", "pretrain_regime"),
        *("prune_id", "prune_name", "prune_method", "prune_regime"),
        *("task", "fraction", "attack"),
    )
)
"""What a line of a CSV file is about."""


def place(group: Group) -> dict[str, Value]:
    """The cells of PLACE."""
    return {
        **pretrain_cells(group.pretrain),
        **prune_cells(group.prune),
        "task": group.task.name,
        "fraction": f"{group.fraction:.10g}",
        "attack": group.attack or "",
    }


def pretrain_cells(ref: RunRef) -> dict[str, Value]:
    """A pre-training run in columns."""
    return {f"pretrain_{key}": getattr(ref, key) for key in ("id", "name", "regime")}


def prune_cells(ref: SearchRef) -> dict[str, Value]:
    """A search in columns."""
    return {f"prune_{key}": getattr(ref, key) for key in ("id", "name", "method", "regime")}
