"""Which layers keep how much, for every ticket of a prune run."""

from __future__ import annotations

from dataclasses import dataclass

from dwlt.report.content import Report
from dwlt.report.names import pretrain_names, rewind_text
from dwlt.report.slugs import unique_slug
from dwlt.results import Layer, PruneRound, RunRef, SearchRef, TransferResult
from dwlt.verdict.groups import regime_order


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
    control: bool
    columns: tuple[Column, ...]


def density_tables(report: Report) -> tuple[DensityTable, ...]:
    """One table per prune run: from its own results, or from transfers where those are absent.

    The dense network is left out (every layer keeps all), and so is a round whose layers differ
    from those of the run's first.
    """
    found: dict[str, tuple[RunRef, SearchRef, dict[int, Column]]] = {}
    results: list[PruneRound | TransferResult] = [*report.data.transfer, *report.data.prune]
    for result in results:
        if result.round and result.layers:
            fresh = (result.pretrain, result.prune, dict[int, Column]())
            _, _, columns = found.setdefault(result.prune.id, fresh)
            columns[result.round] = Column(result.round, result.kept, result.total, result.layers)
    names = pretrain_names(pretrain for pretrain, _, _ in found.values())
    tables = []
    taken: set[str] = set()
    for pretrain, search, columns in sorted(found.values(), key=_order):
        ordered = [columns[number] for number in sorted(columns)]
        shapes = _shapes(ordered[0])
        alike = tuple(column for column in ordered if _shapes(column) == shapes)
        how = [search.method, "" if search.regime == "none" else search.regime]
        how.append(rewind_text(search.rewind))
        said = ", ".join(word for word in how if word)
        title = f"{names[pretrain.id]} pre-training: {said} ({search.label})"
        slug = unique_slug(["layers", search.name, search.id], taken)
        tables.append(DensityTable(title, slug, search.control, alike))
    return tuple(tables)


def _order(item: tuple[RunRef, SearchRef, object]) -> tuple[object, ...]:
    """As the groups are ordered: the method that this is about before its controls."""
    pretrain, search, _ = item
    start = regime_order(pretrain.regime)
    return (search.control, *start, pretrain.id, search.method, search.name, search.id)


def _shapes(column: Column) -> list[tuple[str, int]]:
    return [(layer.name, layer.total) for layer in column.layers]
