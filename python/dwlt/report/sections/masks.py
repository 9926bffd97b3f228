"""The masks themselves: what tickets of different searches share, and how dense each layer is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from dwlt.report.content import Report
from dwlt.report.densities import DensityTable, density_tables
from dwlt.report.html import Html, element, join
from dwlt.report.names import pretrain_names, search_names
from dwlt.report.overlaps import Pair, Ticket
from dwlt.report.page_parts import caption, folded, scroll
from dwlt.results import Layer, sparsity

_UNFOLDED = 2
"""So many density tables are open from the start."""


def mask_section(report: Report) -> Html:
    """Overlaps and densities; nothing where no ticket was found."""
    parts = [part for part in (_overlaps(report), _densities(report)) if part]
    if not parts:
        return Html("")
    return element("section", element("h2", "The masks"), *parts, id="masks")


def _overlaps(report: Report) -> Html:
    pairs = report.masks.pairs
    if not pairs:
        return Html("")
    title = "Overlap of tickets of different searches"
    rounds = sorted({pair.round for pair in pairs})
    rows = [
        _overlap_row(list(alike), rounds, report)
        for _, alike in groupby(pairs, lambda p: (p.left.search.id, p.right.search.id))
    ]
    table = element(
        "table",
        caption(
            "At the same round: weights that both tickets keep, in percent of those that either "
            "keeps (IoU); in small print how many times as many as two random tickets with the "
            "same number of weights in each layer share: 1.00 is chance."
        ),
        element(
            "thead",
            element(
                "tr",
                element("th", "Pre-trainings", scope="col", class_="first"),
                *(element("th", f"Round {number}", scope="col") for number in rounds),
            ),
        ),
        element("tbody", *rows),
    )
    return join(element("h3", title), scroll(table, title))


def _overlap_row(pairs: Sequence[Pair], rounds: Sequence[int], report: Report) -> Html:
    by_round = {pair.round: pair for pair in pairs}
    left, right = (_ticket(side, report) for side in (pairs[0].left, pairs[0].right))
    cells = []
    for number in rounds:
        pair = by_round.get(number)
        if pair is None or pair.iou is None:
            cells.append(element("td", "–"))
            continue
        times = "–" if pair.layer_lift is None else f"{pair.layer_lift:.2f} × chance"
        shade = f"background: rgba(var(--heat), {0.42 * pair.iou:.3f})"
        small = element("span", times, class_="sub")
        cells.append(element("td", f"{100 * pair.iou:.2f}", small, style=shade))
    head = element("th", left, element("span", right), scope="row", class_="first pair")
    return element("tr", head, *cells)


def _ticket(ticket: Ticket, report: Report) -> str:
    """Pre-training and search of one side, as short as they can be told apart."""
    pairs = report.masks.pairs
    sides = [side for pair in pairs for side in (pair.left, pair.right)]
    pretrain = pretrain_names(side.pretrain for side in sides)[ticket.pretrain.id]
    alike = [side.search for side in sides if side.pretrain.id == ticket.pretrain.id]
    names = search_names(alike)
    return f"{pretrain}, {names[ticket.search.id]} search" if len(names) > 1 else pretrain


def _densities(report: Report) -> Html:
    tables = density_tables(report)
    if not tables:
        return Html("")
    searched = [table for table in tables if not table.control]
    unfolded = len(searched) <= _UNFOLDED
    drawn = [
        folded(
            table.title,
            scroll(_density_table(table), table.title),
            unfolded=unfolded and not table.control,
        )
        for table in tables
    ]
    return join(element("h3", "Density of each layer"), *drawn)


def _density_table(table: DensityTable) -> Html:
    names = [sparsity(column.kept, column.total) for column in table.columns]
    heads = [element("th", name.removesuffix("%"), scope="col") for name in names]
    rows = []
    for at, layer in enumerate(table.columns[0].layers):
        cells = []
        for column in table.columns:
            here = column.layers[at]
            cells.append(
                element(
                    "td",
                    _density(here),
                    class_=None if here.kept else "gone",
                    style=f"background: rgba(var(--heat), {0.42 * here.density**0.5:.3f})",
                )
            )
        name = element("th", layer.name, scope="row", class_="first")
        rows.append(element("tr", name, *cells, element("td", f"{layer.total:,}")))
    return element(
        "table",
        caption(
            "Weights kept, in percent of the layer, by sparsity of the ticket in percent. "
            "✗ nothing is kept."
        ),
        element(
            "thead",
            element(
                "tr",
                element("th", "Layer", scope="col", class_="first"),
                *heads,
                element("th", "weights", scope="col"),
            ),
        ),
        element("tbody", *rows),
        class_="heat",
    )


def _density(layer: Layer) -> Html:
    if layer.kept:
        return join(f"{100 * layer.density:.2f}")
    return join(element("span", "✗", aria_hidden="true"), element("span", "nothing", class_="vh"))
