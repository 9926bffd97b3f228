"""Which layers keep how much, for every ticket of a prune run."""

from __future__ import annotations

from dataclasses import dataclass

from dwlt.report.records import Layer, PruneResult, RunRef, TransferResult
from dwlt.report.verdict import Report, unique_slug


@dataclass(frozen=True, slots=True)
class Column:
    """One ticket."""

    round: int
    kept: int
    total: int
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class DensityTable:
    """The tickets of one prune run by round; all have the same layers in the same order."""

    title: str
    slug: str
    columns: tuple[Column, ...]


def density_tables(report: Report) -> tuple[DensityTable, ...]:
    """One table per prune run: from its own results, or from transfers where those are absent.

    The dense network is left out (every layer keeps all), and so is a round whose layers differ
    from those of the run's first.
    """
    found: dict[str, tuple[RunRef, dict[int, Column]]] = {}
    results: list[PruneResult | TransferResult] = [*report.data.transfer, *report.data.prune]
    for result in results:
        if result.round and result.layers:
            _, columns = found.setdefault(result.prune.id, (result.prune, {}))
            columns[result.round] = Column(result.round, result.kept, result.total, result.layers)
    tables = []
    taken: set[str] = set()
    for run, columns in sorted(found.values(), key=lambda item: _order(item[0])):
        ordered = [columns[number] for number in sorted(columns)]
        names = _shapes(ordered[0])
        alike = tuple(column for column in ordered if _shapes(column) == names)
        title = f"{run.method}, {run.regime} ({run.name}-{run.id})"
        slug = unique_slug(["layers", run.name, run.id], taken)
        tables.append(DensityTable(title, slug, alike))
    return tuple(tables)


def _order(run: RunRef) -> tuple[bool, str, str, str]:
    """As the groups are ordered: the method that this is about before its controls."""
    return (run.method != "imp", run.method, run.name, run.id)


def _shapes(column: Column) -> list[tuple[str, int]]:
    return [(layer.name, layer.total) for layer in column.layers]
