"""The report as CSV files, for programs: shares in [0, 1], counts as integers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping

from dwlt.report.content import Report
from dwlt.report.controls import control_tables
from dwlt.report.efficiency import efficiency_tables
from dwlt.report.headline import headline, seeds_of
from dwlt.results import RunRef, SearchRef, sparsity
from dwlt.verdict.groups import Group
from dwlt.verdict.rule import NUMBERS, GroupVerdict, Judged, TicketVerdict, needed
from dwlt.verdict.stats import Level


def csv_files(report: Report) -> dict[str, str]:
    """All CSV files by name: the networks always, the others where there is something to say."""
    others = {
        "headline.csv": list(_headline_lines(report)),
        "controls.csv": list(_control_lines(report)),
        "efficiency.csv": list(_efficiency_lines(report)),
        "overlaps.csv": list(_overlap_lines(report)),
    }
    found = {name: _text(list(lines[0]), lines) for name, lines in others.items() if lines}
    return {"report.csv": csv_text(report), **found}


def csv_text(report: Report) -> str:
    """One line per network: what it is, its four numbers (shares in [0, 1]) and its verdict."""
    return _text(_CSV_HEAD, (line for verdict in report.groups for line in _csv_lines(verdict)))


def _text(head: Iterable[str], lines: Iterable[Mapping[str, object]]) -> str:
    target = io.StringIO()
    writer = csv.DictWriter(target, fieldnames=list(head), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return target.getvalue()


_CSV_HEAD = [
    *("pretrain_id", "pretrain_name", "pretrain_regime"),
    *("prune_id", "prune_name", "prune_method", "prune_regime"),
    *("task", "fraction", "attack", "round", "kept", "total", "sparsity"),
    *("verdict", "missing"),
    *(
        f"{number.key}_{part}"
        for number in NUMBERS
        for part in ("mean", "spread", "seeds", "n", "needed", "gap", "error", "match")
    ),
    *("prune_rewind", "prune_of", "prune_task", "one_checkpoint"),
    *(f"one_checkpoint_{number.key}_{part}" for number in NUMBERS for part in ("mean", "match")),
]
"""Columns are only ever added at the end."""


def _csv_lines(verdict: GroupVerdict) -> Iterator[dict[str, object]]:
    group = verdict.group
    shared = _place(group) | {
        "prune_rewind": group.prune.rewind,
        "prune_of": "" if group.prune.of is None else group.prune.of.id,
        "prune_task": group.prune.task or "",
    }
    if group.dense is not None:
        line = {**shared, "round": 0, "kept": group.dense.kept, "total": group.dense.total}
        line |= {"sparsity": "0.00%", "verdict": "dense"}
        for number, level in zip(NUMBERS, verdict.dense, strict=True):
            line |= _csv_level(number.key, level)
            line[f"{number.key}_needed"] = "" if level is None else _share(needed(level))
        for number, level in zip(NUMBERS, verdict.strict.dense, strict=True):
            line[f"one_checkpoint_{number.key}_mean"] = _mean(level)
        yield line
    for ticket, strict in zip(verdict.tickets, verdict.strict.tickets, strict=True):
        net = ticket.network
        line = {**shared, "round": net.round, "kept": net.kept, "total": net.total}
        line |= {"sparsity": sparsity(net.kept, net.total), "verdict": ticket.verdict.value}
        line["missing"] = "; ".join(ticket.missing)
        for comparison, dense in zip(ticket.comparisons, verdict.dense, strict=True):
            key = comparison.number.key
            line |= _csv_level(key, comparison.level)
            line[f"{key}_needed"] = "" if dense is None else _share(needed(dense))
            line[f"{key}_gap"] = _share(comparison.gap)
            line[f"{key}_error"] = _share(comparison.error)
            line[f"{key}_match"] = comparison.match.value
        yield line | _strict_values(strict)


def _strict_values(ticket: TicketVerdict) -> dict[str, object]:
    line: dict[str, object] = {"one_checkpoint": ticket.verdict.value}
    for comparison in ticket.comparisons:
        key = f"one_checkpoint_{comparison.number.key}"
        line[f"{key}_mean"] = _mean(comparison.level)
        line[f"{key}_match"] = comparison.match.value
    return line


def _place(group: Group) -> dict[str, object]:
    """What a line is about."""
    return {
        **_pretrain(group.pretrain),
        **_prune(group.prune),
        "task": group.task.name,
        "fraction": f"{group.fraction:.10g}",
        "attack": group.attack or "",
    }


def _pretrain(ref: RunRef, side: str = "") -> dict[str, object]:
    return {
        f"{side}pretrain_id": ref.id,
        f"{side}pretrain_name": ref.name,
        f"{side}pretrain_regime": ref.regime,
    }


def _prune(ref: SearchRef, side: str = "") -> dict[str, object]:
    return {
        f"{side}prune_id": ref.id,
        f"{side}prune_name": ref.name,
        f"{side}prune_method": ref.method,
        f"{side}prune_regime": ref.regime,
    }


def _headline_lines(report: Report) -> Iterator[dict[str, object]]:
    """One line per cell of the headline."""
    for row in headline(report).rows:
        for verdict in row.cells:
            if verdict is not None:
                yield {
                    **_place(verdict.group),
                    "prune_rewind": verdict.group.prune.rewind,
                    "prune_task": verdict.group.prune.task or "",
                    "n": verdict.group.way.sa_n,
                    "seeds": seeds_of(verdict),
                    **_extreme("extreme", verdict.main),
                    **_extreme("one_checkpoint", verdict.strict),
                }


def _extreme(key: str, judged: Judged) -> dict[str, object]:
    extreme = judged.extreme
    if extreme is None:
        return {f"{key}_{part}": "" for part in ("round", "kept", "total", "sparsity")}
    net = extreme.network
    return {
        f"{key}_round": net.round,
        f"{key}_kept": net.kept,
        f"{key}_total": net.total,
        f"{key}_sparsity": sparsity(net.kept, net.total),
    }


def _control_lines(report: Report) -> Iterator[dict[str, object]]:
    """One line per control network and number."""
    for table in control_tables(report):
        for round_ in table.rounds:
            ticket = round_.ticket
            for control in round_.controls:
                for mine, other in zip(ticket.comparisons, control.differences, strict=True):
                    net = control.verdict.network
                    yield {
                        **_place(control.group),
                        "ticket_prune_id": table.group.group.prune.id,
                        "round": net.round,
                        "kept": net.kept,
                        "total": net.total,
                        "ticket_kept": ticket.network.kept,
                        "verdict": control.verdict.verdict.value,
                        "ticket_verdict": ticket.verdict.value,
                        "number": other.number.key,
                        **_level("ticket", mine.level),
                        **_level("control", other.level),
                        "lead": _share(other.lead),
                        "error": _share(other.error),
                        "better": other.state.value,
                    }


def _efficiency_lines(report: Report) -> Iterator[dict[str, object]]:
    """One line per network, fraction and number."""
    for table in efficiency_tables(report):
        for curve in table.curves:
            group = curve.groups[0].group
            for series in curve.series:
                for point in series.points:
                    for number, level in zip(NUMBERS, point.levels, strict=True):
                        yield {
                            **_place(group),
                            "fraction": f"{point.fraction:.10g}",
                            "round": series.round,
                            "kept": series.kept,
                            "total": series.total,
                            "verdict": "dense" if point.verdict is None else point.verdict.value,
                            "number": number.key,
                            **_level("value", level),
                        }


def _overlap_lines(report: Report) -> Iterator[dict[str, object]]:
    """One line per pair of tickets and layer, and one for the whole network."""
    for pair in report.masks.pairs:
        shared: dict[str, object] = {"round": pair.round}
        for side, ticket in (("left_", pair.left), ("right_", pair.right)):
            shared |= _pretrain(ticket.pretrain, side) | _prune(ticket.search, side)
        yield shared | {
            "layer": "",
            "both": pair.both,
            "left": pair.left.kept,
            "right": pair.right.kept,
            "total": pair.left.total,
            "iou": _share(pair.iou),
            "lift": _share(pair.lift),
            "layer_lift": _share(pair.layer_lift),
        }
        for layer in pair.layers:
            yield shared | {
                "layer": layer.name,
                "both": layer.both,
                "left": layer.left,
                "right": layer.right,
                "total": layer.total,
                "iou": _share(layer.iou),
                "lift": _share(layer.lift),
            }


def _level(key: str, level: Level | None) -> dict[str, object]:
    return {
        f"{key}_mean": _mean(level),
        f"{key}_spread": "" if level is None else _share(level.spread),
        f"{key}_seeds": "" if level is None else level.seeds,
        f"{key}_n": "" if level is None else level.n,
    }


def _mean(level: Level | None) -> str:
    return "" if level is None else _share(level.mean)


def _share(value: float | None) -> str:
    """Six decimals, without a sign on zero; empty where there is nothing."""
    return "" if value is None else f"{round(value, 6) + 0.0:.6f}"


def _csv_level(key: str, level: Level | None) -> dict[str, object]:
    if level is None:
        return {}
    return {
        f"{key}_mean": _share(level.mean),
        f"{key}_spread": _share(level.spread),
        f"{key}_seeds": level.seeds,
        f"{key}_n": level.n,
    }
