"""The report as CSV and JSON, for programs: shares in [0, 1], counts as integers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict

from dwlt.report.groups import REGIMES
from dwlt.report.records import Score, sparsity
from dwlt.report.stats import Level
from dwlt.report.verdict import (
    NUMBERS,
    Comparison,
    GroupVerdict,
    Report,
    TicketVerdict,
    needed,
)


def csv_text(report: Report) -> str:
    """One line per network: what it is, its four numbers (shares in [0, 1]) and its verdict."""
    target = io.StringIO()
    lines = [line for verdict in report.groups for line in _csv_lines(verdict)]
    writer = csv.DictWriter(target, fieldnames=_CSV_HEAD, lineterminator="\n")
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
]


def _csv_lines(verdict: GroupVerdict) -> Iterator[dict[str, object]]:
    group = verdict.group
    shared: dict[str, object] = {
        "pretrain_id": group.pretrain.id,
        "pretrain_name": group.pretrain.name,
        "pretrain_regime": group.pretrain.regime,
        "prune_id": group.prune.id,
        "prune_name": group.prune.name,
        "prune_method": group.prune.method,
        "prune_regime": group.prune.regime,
        "task": group.task.name,
        "fraction": f"{group.fraction:.10g}",
        "attack": group.attack or "",
    }
    if group.dense is not None:
        line = {**shared, "round": 0, "kept": group.dense.kept, "total": group.dense.total}
        line |= {"sparsity": "0.00%", "verdict": "dense"}
        for number, level in zip(NUMBERS, verdict.dense, strict=True):
            line |= _csv_level(number.key, level)
            line[f"{number.key}_needed"] = "" if level is None else _share(needed(level))
        yield line
    for ticket in verdict.tickets:
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
        yield line


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


def json_text(report: Report) -> str:
    """Everything in the report as JSON with sorted keys."""
    data = report.data
    value = {
        "format": "dwlt-report",
        "version": 1,
        "groups": [_group_json(verdict) for verdict in report.groups],
        "pretrain": [
            {
                "run": result.run.label,
                "regime": result.regime,
                "seed": result.seed,
                "task": result.run.task.name,
                "test": _score_json(result.test),
            }
            for result in data.pretrain
        ],
        "prune": [
            {
                "run": step.run.label,
                "round": step.round,
                "kept": step.kept,
                "total": step.total,
                "method": step.prune.method,
                "regime": step.prune.regime,
                "mask": step.mask,
                "layers": [asdict(layer) for layer in step.layers],
            }
            for step in data.prune
        ],
        "evaluate": [
            {
                "run": result.run.label,
                "model": result.model,
                "mask": result.mask,
                "from": result.source,
                "task": result.run.task.name,
                "images": result.images,
                "test": _score_json(result.test),
                "attacks": [asdict(one) for one in result.attacks],
                "sweep": [asdict(point) for point in result.sweep],
                "corruptions": [asdict(one) for one in result.corruptions],
            }
            for result in data.evaluate
        ],
        "flags": [asdict(notice) for notice in report.flags],
        "warnings": [asdict(notice) for notice in report.warnings],
        "unfinished": [asdict(run) for run in data.unfinished],
    }
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _group_json(verdict: GroupVerdict) -> dict[str, object]:
    group, extreme = verdict.group, verdict.extreme
    dense = group.dense
    return {
        "slug": verdict.slug,
        "pretrain": asdict(group.pretrain),
        "prune": asdict(group.prune),
        "task": asdict(group.task),
        "fraction": group.fraction,
        "attack": group.attack,
        "dense": None
        if dense is None
        else {
            "total": dense.total,
            "seeds": {regime: list(dense.seeds(regime)) for regime in REGIMES},
            "numbers": {
                number.key: _level_json(level)
                | {"needed": None if level is None else needed(level)}
                for number, level in zip(NUMBERS, verdict.dense, strict=True)
            },
        },
        "tickets": [_ticket_json(ticket) for ticket in verdict.tickets],
        "extreme_sparsity": None
        if extreme is None
        else {
            "round": extreme.network.round,
            "kept": extreme.network.kept,
            "total": extreme.network.total,
            "sparsity": sparsity(extreme.network.kept, extreme.network.total),
        },
        "environments": [dict(environment) for environment in group.environments],
        "runs": sorted({cell.run.label for cell in group.cells}),
    }


def _ticket_json(ticket: TicketVerdict) -> dict[str, object]:
    network = ticket.network
    return {
        "round": network.round,
        "kept": network.kept,
        "total": network.total,
        "sparsity": sparsity(network.kept, network.total),
        "verdict": ticket.verdict.value,
        "missing": list(ticket.missing),
        "seeds": {regime: list(network.seeds(regime)) for regime in REGIMES},
        "numbers": {c.number.key: _comparison_json(c) for c in ticket.comparisons},
        "layers": [asdict(layer) for layer in network.layers],
    }


def _comparison_json(comparison: Comparison) -> dict[str, object]:
    return _level_json(comparison.level) | {
        "gap": comparison.gap,
        "error": comparison.error,
        "match": comparison.match.value,
    }


def _level_json(level: Level | None) -> dict[str, object]:
    if level is None:
        return {"mean": None, "spread": None, "n": None, "correct": None}
    return {
        "mean": level.mean,
        "spread": level.spread,
        "n": level.n,
        "correct": [a.correct for a in level.accuracies],
    }


def _score_json(score: Score) -> dict[str, object]:
    return {
        "sa": asdict(score.sa),
        "ra": None if score.ra is None else asdict(score.ra),
        "attack": score.attack,
    }
