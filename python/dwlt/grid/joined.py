"""Several plans as one."""

from __future__ import annotations

from collections.abc import Iterable

from dwlt.runs.plan import Cell, Plan, Pretraining, Search
from dwlt.runs.plan.cells import once


def joined(plans: Iterable[Plan]) -> Plan:
    """Several plans as one, each part once."""
    pretrainings: dict[str, Pretraining] = {}
    searches: dict[object, tuple[Search, int]] = {}
    cells: list[Cell] = []
    for plan in plans:
        pretrainings |= {one.key: one for one in plan.pretrainings}
        for search, last in plan.searches:
            _, most = searches.get(search.key, (search, 0))
            searches[search.key] = (search, max(last, most))
        cells += plan.cells
    return Plan(tuple(pretrainings.values()), tuple(searches.values()), tuple(once(cells)))
