"""Data efficiency as tables; see ``dwlt.verdict.fractions``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dwlt.report.networks import LEVEL
from dwlt.report.place import PLACE, place
from dwlt.report.table import Column, Entry, Row, Table, Value
from dwlt.report.verdicts import extreme_text, level_value, percent, verdict_cell
from dwlt.verdict.fractions import EfficiencyTable, FractionCurve, Point, Series
from dwlt.verdict.groups import share
from dwlt.verdict.outcomes import NUMBERS


def extreme_table(found: EfficiencyTable) -> Table:
    """The extreme sparsity by pre-training and share of the training data."""
    columns = [Column("name", "Pre-training", left=True, first=True)]
    columns += [Column(share(fraction), share(fraction)) for fraction in found.fractions]
    rows = [
        Row(
            {
                "name": curve.name,
                **{share(v.group.fraction): extreme_text(v.decides) for v in curve.groups},
            }
        )
        for curve in found.curves
    ]
    title = f"Extreme sparsity by fraction, {found.title}"
    return Table("extremes", title, tuple(columns), tuple(rows))


def number_table(found: EfficiencyTable) -> Table:
    """Every point of the curves."""
    columns = (
        Column("network", "Network", left=True, first=True),
        Column("data", "Data"),
        Column("verdict", "Verdict", left=True),
        *(Column(n.key, f"{n.kind.upper()}, {n.regime}") for n in NUMBERS),
        Column("seeds", "Seeds"),
    )
    rows = []
    for curve, series, point in _points(found):
        state = Entry("dense", badge=True)
        if point.ticket is not None:
            state = verdict_cell(point.ticket, len(curve.groups[0].decides.numbers))
        cells: dict[str, Value] = {
            "network": f"{curve.name}, {series.name}",
            "data": share(point.fraction),
            "verdict": state,
            **{n.key: percent(point.numbers.get(n)) for n in NUMBERS},
            "seeds": point.seeds,
        }
        rows.append(Row(cells, "dense" if point.ticket is None else ""))
    title = f"Numbers by fraction, {found.title}"
    return Table("numbers", title, columns, tuple(rows))


def efficiency_long_table(tables: Iterable[EfficiencyTable]) -> Table:
    """One line per network, fraction and number, for programs."""
    keys = ("round", "kept", "total", "verdict", "number")
    columns = (*PLACE, *(Column(key) for key in keys), Column("value", parts=LEVEL))
    rows = []
    for table in tables:
        for curve, series, point in _points(table):
            counts: dict[str, Value] = {
                **place(curve.groups[0].group),
                "fraction": f"{point.fraction:.10g}",
                "round": series.round,
                "kept": series.kept,
                "total": series.total,
                "verdict": point.state,
            }
            for number in NUMBERS:
                value = level_value(point.numbers.get(number))
                rows.append(Row(counts | {"number": number.key, "value": value}))
    return Table("efficiency", "Data efficiency", columns, tuple(rows))


def _points(table: EfficiencyTable) -> Iterator[tuple[FractionCurve, Series, Point]]:
    for curve in table.curves:
        for series in curve.series:
            for point in series.points:
                yield curve, series, point
