"""The networks of a group as one table: what report.csv, report.json, terminal and page show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

from dwlt.report.place import PLACE, place
from dwlt.report.table import Column, Entry, Row, Table, Value
from dwlt.report.verdicts import (
    interval_text,
    level_value,
    network_seeds,
    number_cell,
    percent,
    signed,
    verdict_cell,
)
from dwlt.units import sparsity_text
from dwlt.verdict.groups import REGIMES, Network
from dwlt.verdict.judge import AnyComparison, Judged, TicketVerdict
from dwlt.verdict.noninferiority import Comparison
from dwlt.verdict.outcomes import NUMBERS, Measured, Number
from dwlt.verdict.paper_rule import PaperComparison, compare_as_paper, tolerance
from dwlt.verdict.together import GroupJudged, View

LEVEL = ("mean", "spread", "seeds", "n")
OF_PAPER = ("needed", "gap", "error")
OF_MARGIN = ("margin", "difference", "standard_error", "low", "high", "p", "basis", "match")


def short_name(number: Number) -> str:
    """A number in a terminal: "SA std", "RA adv"."""
    return f"{number.kind.upper()} {'std' if number.regime == 'standard' else 'adv'}"


def _number(number: Number, at: int) -> Column:
    regime = number.regime
    return Column(
        f"numbers.{number.key}",
        number.kind.upper(),
        short=short_name(number),
        over=f"{regime.capitalize()} transfer",
        over_look="std" if at < 2 else "adv",
        parts=(*LEVEL, *OF_PAPER, "match"),
    )


COLUMNS = (
    Column("round", csv=True),
    Column("kept"),
    Column("total"),
    Column("sparsity"),
    Column("sparsity_shown", "Sparsity", first=True, left=True, csv=False, json=False),
    Column("verdict", "Verdict", left=True),
    Column("missing"),
    *(_number(number, at) for at, number in enumerate(NUMBERS)),
    Column("weakest", "Weakest number", left=True, csv=False, json=False, drop=1, page=False),
    Column("seeds", "Seeds", csv=False, drop=3),
    Column("round_shown", "Round", csv=False, json=False, drop=4),
    Column("kept_shown", "Weights kept", short="kept", csv=False, json=False, drop=2),
    Column("all_shown", "Of all parameters", short="of all", csv=False, json=False, drop=2),
    Column("prune_rewind", json=False),
    Column("prune_of", json=False),
    Column("prune_task", json=False),
    Column("one_checkpoint.verdict", csv=False),
    Column("one_checkpoint", json=False),
    *(Column(f"one_checkpoint.numbers.{n.key}", parts=("mean", "match")) for n in NUMBERS),
    Column("paper.verdict"),
    *(Column(f"paper.numbers.{n.key}", parts=("match",)) for n in NUMBERS),
    Column("margin.verdict"),
    *(Column(f"margin.numbers.{n.key}", parts=OF_MARGIN) for n in NUMBERS),
    Column("counted"),
    Column("layers", csv=False),
    Column("parameters"),
    Column("kept_of_all"),
)


def network_table(verdict: GroupJudged) -> Table:
    """The dense network, what it takes to match it, and the tickets by round."""
    rows = [*_dense_rows(verdict), *(_ticket_row(verdict, ticket) for ticket in verdict.tickets)]
    shared: Mapping[str, Value] = {
        "prune_rewind": verdict.group.prune.rewind,
        "prune_of": None if verdict.group.prune.of is None else verdict.group.prune.of.id,
        "prune_task": verdict.group.prune.task,
    }
    rows = [Row({**shared, **row.cells}, row.look) for row in rows]
    found = dict(verdict.dense_numbers())
    spread = "one binomial standard error (single seed)"
    if any(len(measured.seeds) > 1 for measured in found.values()):
        spread = "one standard deviation over seeds"
    images = sorted({measured.n for measured in found.values()})
    n = f" (n = {' and '.join(f'{count:,}' for count in images)} test images)" if images else ""
    caption = (
        f"Test accuracy in percent{n}: mean ± {spread}. In small print the difference to the dense "
        "network in points, with its interval. ✓ matches, ? unclear, ✗ falls short, "
        "– not measured."
    )
    title = verdict.group.label
    told = any(network.parameters for network in verdict.group.networks)
    columns = tuple(column for column in COLUMNS if told or column.key != "all_shown")
    return Table("networks", title, columns, tuple(rows), caption, note=margin_text(verdict))


def as_csv(verdict: GroupJudged, table: Table) -> Table:
    """A group's table for report.csv: with what the group is in front, networks alone."""
    table = table.beside(PLACE, place(verdict.group))
    return replace(table, rows=tuple(row for row in table.rows if row.value("kept") is not None))


def margin_text(verdict: GroupJudged) -> str:
    """What it takes to match, in a sentence."""
    if verdict.rule == "paper":
        return "to match: mean no lower than the dense mean less one standard deviation"
    told = dict.fromkeys(
        f"{number.kind.upper()} {100 * margin:.2f}"
        for number, margin in verdict.decides.margins.items()
    )
    if not told:
        return ""
    sure = 100 * verdict.settings.confidence
    return (
        f"to match: shown at {sure:g}% confidence to be no more than the margin worse than the "
        f"dense network (points: {', '.join(told)})"
    )


def _dense_rows(verdict: GroupJudged) -> list[Row]:
    dense = verdict.group.dense
    if dense is None:
        return []
    numbers, strict = verdict.dense_numbers(), verdict.dense_numbers(strict=True)
    cells: dict[str, Value] = {
        **_counts(dense, "0.00%"),
        "verdict": Entry("dense", "dense", badge=True),
        **{f"numbers.{n.key}": _dense_cell(numbers.get(n)) for n in NUMBERS},
        **{f"one_checkpoint.numbers.{n.key}": _dense_value(strict.get(n)) for n in NUMBERS},
    }
    needed: dict[str, Value] = {
        "sparsity_shown": Entry("to match"),
        **dict.fromkeys(
            ("verdict", "weakest", "seeds", "round_shown", "kept_shown", "all_shown"), Entry("")
        ),
        **{f"numbers.{n.key}": Entry(_needed_text(verdict, n, numbers.get(n))) for n in NUMBERS},
    }
    return [Row({**cells, "weakest": Entry("")}, "dense"), Row(needed, "dense quiet")]


def _dense_cell(measured: Measured | None) -> Entry:
    return Entry(percent(measured), _dense_value(measured))


def _dense_value(measured: Measured | None) -> dict[str, Value]:
    needed = None if measured is None else measured.mean - tolerance(measured)
    return level_value(measured) | {"needed": needed}


def _needed_text(verdict: GroupJudged, number: Number, dense: Measured | None) -> str:
    judged = verdict.decides
    if dense is None or number not in judged.numbers:
        return "–"
    if judged.rule == "paper":
        return f"≥ {100 * (dense.mean - tolerance(dense)):.2f}"
    if number not in judged.counted:
        return "at the floor"
    return f"{signed(-100 * judged.margins[number])} at most"


def _counts(network: Network, shown: str) -> dict[str, Value]:
    of_all = network.kept_of_all
    return {
        "round": network.round,
        "kept": network.kept,
        "total": network.total,
        "sparsity": shown,
        "sparsity_shown": Entry(shown),
        "seeds": Entry(network_seeds(network), {r: list(network.seeds(r)) for r in REGIMES}),
        "round_shown": Entry(str(network.round)),
        "kept_shown": Entry(f"{network.kept:,}"),
        "all_shown": Entry("–" if of_all is None else f"{of_all:.2%}"),
        "parameters": network.parameters,
        "kept_of_all": of_all,
    }


def _ticket_row(verdict: GroupJudged, ticket: TicketVerdict) -> Row:
    network, judged = verdict.network(ticket.ticket.round), verdict.decides
    extreme = judged.extreme
    sparsest = extreme is not None and extreme.round == network.round
    other = _same(verdict.views[View(verdict.settings.rule, True)], network.round)
    paper, margin = (_same(view, network.round) for view in (verdict.paper, verdict.margin))
    found = {c.number: c for c in ticket.comparisons}
    of_paper = {number: _as_paper(verdict, ticket, number) for number in NUMBERS}
    cells: dict[str, Value] = {
        **_counts(network, sparsity_text(network.kept, network.total)),
        "verdict": verdict_cell(ticket, len(judged.numbers), sparsest=sparsest),
        "missing": list(ticket.missing),
        "weakest": Entry(_weakest(ticket)),
        "counted": [number.key for number in ticket.counted],
        "one_checkpoint.verdict": other.verdict.value,
        "one_checkpoint": other.verdict.value,
        "paper.verdict": paper.verdict.value,
        "margin.verdict": margin.verdict.value,
        "layers": [asdict(layer) for layer in network.layers],
    }
    strict_dense = verdict.dense_numbers(strict=True)
    for number in NUMBERS:
        match = found[number].match.value if number in found else "not asked"
        told = level_value(ticket.ticket.numbers.get(number))
        told |= _paper_value(of_paper[number]) | {"match": match}
        counts = number in ticket.counted
        shown = found.get(number, of_paper[number])
        cells[f"numbers.{number.key}"] = number_cell(shown, told, counts=counts)
        mine = other.ticket.numbers.get(number)
        strict = compare_as_paper(number, strict_dense.get(number), mine)
        states = {c.number: c.match.value for c in other.comparisons}
        cells[f"one_checkpoint.numbers.{number.key}"] = (
            level_value(mine) | _paper_value(strict) | {"match": states.get(number, "not asked")}
        )
        cells[f"paper.numbers.{number.key}"] = {"match": of_paper[number].match.value}
        cells[f"margin.numbers.{number.key}"] = _margin_value(margin, number)
    return Row(cells, "extreme" if sparsest else "")


def _same(judged: Judged, round_: int) -> TicketVerdict:
    return next(ticket for ticket in judged.tickets if ticket.ticket.round == round_)


def _as_paper(verdict: GroupJudged, ticket: TicketVerdict, number: Number) -> PaperComparison:
    return compare_as_paper(
        number, verdict.dense_numbers().get(number), ticket.ticket.numbers.get(number)
    )


def _paper_value(comparison: PaperComparison) -> dict[str, Value]:
    dense = comparison.dense
    needed = None if dense is None else dense.mean - tolerance(dense)
    return {"needed": needed, "gap": comparison.gap, "error": comparison.error}


def _margin_value(margin: TicketVerdict, number: Number) -> dict[str, Value]:
    found = next((c for c in margin.comparisons if c.number == number), None)
    if not isinstance(found, Comparison):
        return dict.fromkeys(OF_MARGIN)
    estimate = found.estimate
    return {
        "margin": found.margin or None,
        "difference": None if estimate is None else estimate.difference,
        "standard_error": None if estimate is None else estimate.error,
        "low": found.low,
        "high": found.high,
        "p": None if estimate is None else found.p,
        "basis": None if estimate is None else estimate.basis.value,
        "match": found.match.value,
    }


def _weakest(ticket: TicketVerdict) -> str:
    """The number that is hardest to match, with its difference and interval; "" without any."""
    counted = [c for c in ticket.comparisons if c.number in ticket.counted]
    known = [c for c in counted if interval_text(c)]
    if not known:
        return ""
    found = max(known, key=_distance)
    return f"{short_name(found.number)} {interval_text(found)}"


def _distance(comparison: AnyComparison) -> float:
    """How hard a number is to match: its p-value, or under the paper's rule the lacking share."""
    if isinstance(comparison, Comparison):
        return comparison.p
    return -(comparison.gap or 0.0)
