"""Verified verdicts as tables: each ticket under the attack of its transfers, and AutoAttack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dwlt.report.headline import group_place, net_value
from dwlt.report.networks import short_name
from dwlt.report.place import PLACE, place
from dwlt.report.table import Column, Entry, Row, Table, Value, to_json
from dwlt.report.verdicts import number_cell, seeds_text, verdict_cell
from dwlt.units import sparsity_text
from dwlt.verdict.judge import AnyComparison, Judged, TicketVerdict
from dwlt.verdict.noninferiority import Comparison
from dwlt.verdict.outcomes import NUMBERS, REGIMES
from dwlt.verdict.together import GroupJudged
from dwlt.verdict.verified import VerifiedGroup

OF_NUMBER = ("mean", "n", "difference", "low", "high", "match")

COLUMNS = (
    Column("round"),
    Column("kept"),
    Column("total"),
    Column("sparsity", "Sparsity", first=True, left=True),
    Column("by", "RA under", left=True),
    Column("verdict", "Verdict", left=True),
    *(
        Column(
            f"numbers.{number.key}",
            number.kind.upper(),
            short=short_name(number),
            over=f"{number.regime.capitalize()} transfer",
            over_look="std" if at < 2 else "adv",
            parts=OF_NUMBER,
            # SA is that of the transfer in both rows.
            drop=2 if number.kind == "sa" else 0,
        )
        for at, number in enumerate(NUMBERS)
    ),
    Column("seeds", "Seeds", drop=1),
)


def verified_table(verdict: GroupJudged, verified: VerifiedGroup) -> Table:
    """Two rows for each ticket that was verified."""
    rows = []
    for before, after in zip(verified.before.tickets, verified.after.tickets, strict=True):
        rows.append(_row(before, verified.before, verdict.attack))
        rows.append(_row(after, verified.after, verified.name))
    caption = (
        f"Tickets whose checkpoints were attacked once more, on {verified.n:,} test images, and "
        "judged again by the same rule on the same seeds. SA is that of the transfer. In small "
        "print the difference to the dense network in points, with its interval."
    )
    left = ", ".join(map(str, verified.partial))
    note = f"attacked in part, and left out: round {left}" if left else ""
    title = f"Verified: {verdict.group.label}"
    return Table("verified", title, COLUMNS, tuple(rows), caption, note)


def _row(found: TicketVerdict, judged: Judged, attack: str) -> Row:
    ticket = found.ticket
    asked = {comparison.number: comparison for comparison in found.comparisons}
    counts = tuple(
        max((len(m.seeds) for n, m in ticket.numbers.items() if n.regime == regime), default=0)
        for regime in REGIMES
    )
    cells: dict[str, Value] = {
        "round": ticket.round,
        "kept": ticket.kept,
        "total": ticket.total,
        "sparsity": sparsity_text(ticket.kept, ticket.total),
        "by": attack,
        "verdict": verdict_cell(found, len(judged.numbers)),
        "seeds": Entry(seeds_text(counts), min(counts)),
    }
    for number, comparison in asked.items():
        value = _value(comparison)
        counted = number in found.counted
        cells[f"numbers.{number.key}"] = number_cell(comparison, value, counts=counted)
    return Row(cells)


def _value(comparison: AnyComparison) -> Mapping[str, Value]:
    measured = comparison.ticket
    found = None if measured is None else measured.mean
    n = None if measured is None else measured.n
    difference = low = high = None
    if isinstance(comparison, Comparison) and comparison.estimate is not None:
        difference = comparison.estimate.difference
        low, high = comparison.low, comparison.high
    values = (found, n, difference, low, high, comparison.match.value)
    return dict(zip(OF_NUMBER, values, strict=True))


def verified_csv(groups: Iterable[GroupJudged], tables: Mapping[str, Table]) -> list[Table]:
    """The tables by slug for ``verified.csv``: with what each group is in front."""
    return [
        tables[verdict.slug].beside(PLACE, place(verdict.group))
        for verdict in groups
        if verdict.slug in tables
    ]


def verified_json(
    groups: Iterable[GroupJudged],
    verified: Mapping[str, VerifiedGroup],
    tables: Mapping[str, Table],
) -> list[dict[str, Value]]:
    """The verified verdicts for programs."""
    return [
        group_place(verdict)
        | {
            "stronger": one.stronger.label,
            "name": one.name,
            "confidence": one.confidence,
            "n": one.n,
            "extreme_sparsity": net_value(one.extreme),
            "partial": list(one.partial),
            "tickets": to_json(tables[verdict.slug]),
        }
        for verdict in groups
        if (one := verified.get(verdict.slug)) is not None
    ]
