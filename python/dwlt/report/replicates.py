"""Where luck comes from, as a table; see ``dwlt.verdict.replicates``."""

from __future__ import annotations

from dwlt.report.names import search_titles
from dwlt.report.table import Column, Entry, Row, Table, Value
from dwlt.verdict.replicates import Replicated
from dwlt.verdict.variance import HEAD, table

_KEYS = ("number", "replicate", "ticket", "seed", "replicates", "networks", "seeds")
_PARTS = ("variance", "share")

COLUMNS = (
    Column("combination", "Combination", left=True, first=True, look="wrap"),
    Column("number", HEAD[0].capitalize(), left=True),
    *(Column(_KEYS[at], HEAD[at].capitalize(), parts=_PARTS) for at in range(1, 4)),
    *(Column(_KEYS[at], HEAD[at].capitalize(), drop=1) for at in range(4, 7)),
)


def variance_table(found: Replicated) -> Table:
    """A row for each number of each combination; no rows where there are too few replicates."""
    rows = []
    titles = search_titles([group for group, _ in found])
    for label, (_, parts) in zip(titles, found, strict=True):
        for one, texts in zip(parts, table(parts), strict=True):
            cells: dict[str, Value] = dict(zip(_KEYS, texts, strict=True))
            shares = (one.replicate, one.ticket, one.seed)
            for key, variance, part in zip(_KEYS[1:4], shares, one.shares, strict=True):
                value = {"variance": variance, "share": part}
                cells[key] = Entry(cells[key], value)
            cells |= {"replicates": one.replicates, "networks": one.networks, "seeds": one.seeds}
            cells |= {"combination": label, "number": Entry(one.number.title, one.number.key)}
            rows.append(Row(cells))
    return Table("variance", "Where luck comes from", COLUMNS, tuple(rows))
