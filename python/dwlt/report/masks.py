"""The masks in tables: overlaps between searches, and which layers keep how much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from dwlt.masks.overlaps import MaskStudy, Pair
from dwlt.report.names import unique_slug
from dwlt.report.table import Column, Entry, Row, Table, Value
from dwlt.results import (
    Layer,
    PruneRound,
    ReportData,
    RunRef,
    SearchRef,
    TransferResult,
)
from dwlt.results.names import pretrain_names, rewind_text, search_names
from dwlt.units import sparsity_text

OF_PRETRAIN = ("id", "name", "regime")
OF_PRUNE = ("id", "name", "method", "regime")

UNFOLDED = 2
"""So many tables of densities are open from the start."""


@dataclass(frozen=True, slots=True)
class LayersOf:
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
    columns: tuple[LayersOf, ...]


def density_tables(data: ReportData) -> tuple[DensityTable, ...]:
    """One table per prune run: from its own results, or from transfers where those are absent.

    The dense network is left out (every layer keeps all), and so is a round whose layers differ
    from those of the run's first.
    """
    found: dict[str, tuple[RunRef, SearchRef, dict[int, LayersOf]]] = {}
    results: list[PruneRound | TransferResult] = [*data.transfer, *data.prune]
    for result in results:
        if result.round and result.layers:
            fresh = (result.pretrain, result.prune, dict[int, LayersOf]())
            _, _, columns = found.setdefault(result.prune.id, fresh)
            columns[result.round] = LayersOf(result.round, result.kept, result.total, result.layers)
    names = pretrain_names(pretrain for pretrain, _, _ in found.values())
    tables = []
    taken: set[str] = set()
    for pretrain, search, columns in sorted(found.values(), key=_density_order):
        ordered = [columns[number] for number in sorted(columns)]
        shapes = _shapes(ordered[0])
        alike = tuple(column for column in ordered if _shapes(column) == shapes)
        how = [search.how, "" if search.regime == "none" else search.regime]
        how.append(rewind_text(search.rewind))
        said = ", ".join(word for word in how if word)
        title = f"{names[pretrain.id]} pre-training: {said} ({search.label})"
        slug = unique_slug(["layers", search.name, search.id], taken)
        tables.append(DensityTable(title, slug, search.control, alike))
    return tuple(tables)


def _density_order(item: tuple[RunRef, SearchRef, object]) -> tuple[object, ...]:
    """As the groups are ordered: the method that this is about before its controls."""
    pretrain, search, _ = item
    start = pretrain.rank
    return (search.control, *start, pretrain.id, search.method, search.name, search.id)


def _shapes(column: LayersOf) -> list[tuple[str, int]]:
    return [(layer.name, layer.total) for layer in column.layers]


def overlap_table(study: MaskStudy) -> Table:
    """Pairs of tickets and layers, for programs; the whole network has the layer ""."""
    sides = ("left", "right")
    named = [f"pretrain_{part}" for part in OF_PRETRAIN] + [f"prune_{part}" for part in OF_PRUNE]
    keys = ["round", *(f"{side}_{key}" for side in sides for key in named), "layer", "both"]
    keys += ["left", "right", "total", "iou", "lift", "layer_lift"]
    rows = [Row(cells) for pair in study.pairs for cells in _overlap_cells(pair)]
    columns = tuple(Column(key) for key in keys)
    return Table("overlaps", "Overlaps of masks", columns, tuple(rows))


def _overlap_cells(pair: Pair) -> Iterator[dict[str, Value]]:
    shared: dict[str, Value] = {"round": pair.round}
    for side, ticket in (("left", pair.left), ("right", pair.right)):
        start, search = ticket.pretrain, ticket.search
        shared |= {
            f"{side}_pretrain_{key}": getattr(start, key) for key in ("id", "name", "regime")
        }
        parts = ("id", "name", "method", "regime")
        shared |= {f"{side}_prune_{key}": getattr(search, key) for key in parts}
    counts = {"both": pair.both, "left": pair.left.kept, "right": pair.right.kept}
    lifts = {"iou": pair.iou, "lift": pair.lift, "layer_lift": pair.layer_lift}
    yield shared | {"layer": "", "total": pair.left.total} | counts | lifts
    for x in pair.layers:
        counts = {"both": x.both, "left": x.left, "right": x.right, "total": x.total}
        yield shared | {"layer": x.name, "iou": x.iou, "lift": x.lift} | counts


def overlap_page_table(study: MaskStudy) -> Table:
    """Pairs of searches by round, for readers: IoU, and how it compares with chance."""
    rounds = sorted({pair.round for pair in study.pairs})
    columns = (
        Column("pair", "Pre-trainings", look="pair", left=True, first=True),
        *(Column(str(number), f"Round {number}") for number in rounds),
    )
    names = _side_names(study)
    rows = []
    for _, alike in groupby(study.pairs, lambda p: (p.left.search.id, p.right.search.id)):
        pairs = list(alike)
        left, right = (names[side.search.id] for side in (pairs[0].left, pairs[0].right))
        cells: dict[str, Value] = {"pair": f"{left} and {right}"}
        for pair in pairs:
            times = "–" if pair.layer_lift is None else f"{pair.layer_lift:.2f} × chance"
            if pair.iou is not None:
                text = f"{100 * pair.iou:.2f}"
                cells[str(pair.round)] = Entry(text, pair.iou, small=(times,), heat=pair.iou)
        rows.append(Row(cells))
    title = "Overlap of tickets of different searches"
    return Table("overlaps", title, columns, tuple(rows))


def _side_names(study: MaskStudy) -> dict[str, str]:
    """Pre-training and search of each side by search, as short as they can be told apart."""
    sides = [side for pair in study.pairs for side in (pair.left, pair.right)]
    pretrains = pretrain_names(side.pretrain for side in sides)
    found = {}
    for side in sides:
        alike = (other.search for other in sides if other.pretrain.id == side.pretrain.id)
        names = search_names(alike)
        search = f", {names[side.search.id]} search" if len(names) > 1 else ""
        found[side.search.id] = f"{pretrains[side.pretrain.id]}{search}"
    return found


def density_page_table(found: DensityTable) -> Table:
    """Layers by ticket, for readers: weights kept, in percent of the layer."""
    columns = [Column("layer", "Layer", left=True, first=True)]
    for at, ticket in enumerate(found.columns):
        columns.append(Column(str(at), sparsity_text(ticket.kept, ticket.total).removesuffix("%")))
    columns.append(Column("total", "weights", look="total"))
    rows = []
    for at, layer in enumerate(found.columns[0].layers):
        cells: dict[str, Value] = {"layer": layer.name, "total": layer.total}
        for number, ticket in enumerate(found.columns):
            here = ticket.layers[at]
            heat = here.density**0.5
            gone = Entry("", 0.0, "✗", "gone", "nothing is kept", heat=heat)
            kept = Entry(f"{100 * here.density:.2f}", here.density, heat=heat)
            cells[str(number)] = kept if here.kept else gone
        rows.append(Row(cells))
    return Table(found.slug, found.title, tuple(columns), tuple(rows), look="heat")


def mask_context(study: MaskStudy, densities: Sequence[DensityTable]) -> dict[str, Any]:
    """What ``masks.html`` shows; nothing where no ticket was found."""
    if not study.pairs and not densities:
        return {}
    few = sum(not table.control for table in densities) <= UNFOLDED
    return {
        "overlaps": overlap_page_table(study) if study.pairs else None,
        "densities": [
            {"table": density_page_table(one), "open": few and not one.control} for one in densities
        ],
    }
