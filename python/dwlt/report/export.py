"""The report as JSON, for programs: shares in [0, 1], counts as integers."""

from __future__ import annotations

import json
from dataclasses import asdict

from dwlt.report.content import Report
from dwlt.report.export_studies import (
    controls_json,
    efficiency_json,
    extreme_json,
    headline_json,
    level_json,
    overlaps_json,
    pretrain_json,
)
from dwlt.results import Notice, Score, SweepPoint, TaskInfo, sparsity
from dwlt.verdict.groups import REGIMES
from dwlt.verdict.rule import NUMBERS, Comparison, GroupVerdict, Judged, TicketVerdict, needed


def json_text(report: Report) -> str:
    """Everything in the report as JSON with sorted keys."""
    data = report.data
    value = {
        "format": "dwlt-report",
        "version": 2,
        "headline": headline_json(report),
        "controls": controls_json(report),
        "data_efficiency": efficiency_json(report),
        "mask_overlaps": overlaps_json(report),
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
                "sweep": [_point_json(point) for point in result.sweep],
                "corruptions": [asdict(one) for one in result.corruptions],
            }
            for result in data.evaluate
        ],
        "flags": [_notice_json(notice) for notice in report.flags],
        "warnings": [_notice_json(notice) for notice in report.warnings],
        "unfinished": [asdict(run) for run in data.unfinished],
    }
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _group_json(verdict: GroupVerdict) -> dict[str, object]:
    group = verdict.group
    dense = group.dense
    return {
        "slug": verdict.slug,
        "pretrain": pretrain_json(group.pretrain),
        "prune": asdict(group.prune),
        "task": _task_json(group.task),
        "fraction": group.fraction,
        "attack": group.attack,
        "dense": None
        if dense is None
        else {
            "total": dense.total,
            "seeds": {regime: list(dense.seeds(regime)) for regime in REGIMES},
            "numbers": _dense_json(verdict.main),
            "one_checkpoint": _dense_json(verdict.strict),
        },
        "tickets": [
            _ticket_json(ticket, strict)
            for ticket, strict in zip(verdict.tickets, verdict.strict.tickets, strict=True)
        ],
        "extreme_sparsity": extreme_json(verdict.main),
        "one_checkpoint_extreme_sparsity": extreme_json(verdict.strict),
        "environments": [dict(environment) for environment in group.environments],
        "runs": sorted({cell.run.label for cell in group.cells}),
    }


def _dense_json(judged: Judged) -> dict[str, object]:
    return {
        number.key: level_json(level) | {"needed": None if level is None else needed(level)}
        for number, level in zip(NUMBERS, judged.dense, strict=True)
    }


def _ticket_json(ticket: TicketVerdict, strict: TicketVerdict) -> dict[str, object]:
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
        "one_checkpoint": {
            "verdict": strict.verdict.value,
            "numbers": {c.number.key: _comparison_json(c) for c in strict.comparisons},
        },
        "layers": [asdict(layer) for layer in network.layers],
    }


def _comparison_json(comparison: Comparison) -> dict[str, object]:
    return level_json(comparison.level) | {
        "gap": comparison.gap,
        "error": comparison.error,
        "match": comparison.match.value,
    }


def _score_json(score: Score) -> dict[str, object]:
    return {
        "sa": asdict(score.sa),
        "ra": None if score.ra is None else asdict(score.ra),
        "attack": score.attack,
    }


def _task_json(task: TaskInfo) -> dict[str, object]:
    flat = {key: value for key, value in asdict(task).items() if key != "n"}
    return flat | asdict(task.n)


def _point_json(point: SweepPoint) -> dict[str, object]:
    return asdict(point) | {"low": point.low, "high": point.high}


def _notice_json(notice: Notice) -> dict[str, object]:
    return asdict(notice) | {"severity": notice.severity}
