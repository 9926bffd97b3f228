"""The report for programs: JSON and CSV with shares in [0, 1] and counts as integers.

``report.json`` is version 3: under ``verdict``, ``match`` and ``extreme_sparsity`` stands what the
rule that decides says, in its own words. What earlier versions said there, by the paper's rule, is
under ``paper``; ``needed``, ``gap`` and ``error`` are of the paper's rule, as they always were.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from dwlt.masks.overlaps import Pair, Side
from dwlt.report.content import Report
from dwlt.report.controls import control_long_table
from dwlt.report.efficiency import efficiency_long_table
from dwlt.report.headline import (
    estimate_value,
    group_place,
    net_value,
    pretrain_json,
    tested_value,
    verified_cell,
)
from dwlt.report.masks import overlap_table
from dwlt.report.networks import COLUMNS, as_csv
from dwlt.report.place import PLACE
from dwlt.report.summary import summary
from dwlt.report.table import Table, Value, nested, to_csv, to_json
from dwlt.report.verdicts import level_value
from dwlt.report.verified_tables import verified_csv, verified_json
from dwlt.results import Notice, Score, SweepPoint, TaskInfo
from dwlt.units import sparsity_text
from dwlt.verdict.controls import Control
from dwlt.verdict.fractions import FractionCurve, Point
from dwlt.verdict.outcomes import NUMBERS, Measured, Number
from dwlt.verdict.together import GroupJudged, View

VERSION = 3


def csv_files(report: Report) -> dict[str, str]:
    """All CSV files by name: the networks always, the others where there is something to say."""
    networks = [as_csv(verdict, report.networks[verdict.slug]) for verdict in report.groups]
    empty = Table("networks", "", (*PLACE, *COLUMNS), ())
    others = (
        report.headline,
        control_long_table(report.controls),
        efficiency_long_table(report.efficiency),
        overlap_table(report.masks),
        report.frontiers,
        report.variance,
    )
    found = {f"{table.key}.csv": to_csv([table]) for table in others if table.rows}
    if verified := verified_csv(report.groups, report.verifications):
        found["verified.csv"] = to_csv(verified)
    return {"report.csv": to_csv(networks or [empty]), **found}


def json_text(report: Report) -> str:
    """Everything in the report as JSON with sorted keys."""
    data = report.data
    value = {
        "format": "dwlt-report",
        "version": VERSION,
        "summary": asdict(summary(report)),
        "settings": report.settings.model_dump(mode="json"),
        "headline": _headline_json(report),
        "controls": _controls_json(report),
        "data_efficiency": _efficiency_json(report),
        "verified": verified_json(report.groups, report.verified, report.verifications),
        "frontier": to_json(report.frontiers),
        "variance": to_json(report.variance),
        "mask_overlaps": [_pair_json(pair) for pair in report.masks.pairs],
        "groups": [
            _group_json(verdict, report.networks[verdict.slug]) for verdict in report.groups
        ],
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
                "sweep": [_sweep_json(point) for point in result.sweep],
                "corruptions": [asdict(one) for one in result.corruptions],
            }
            for result in data.evaluate
        ],
        "flags": [_notice_json(notice) for notice in report.flags],
        "warnings": [_notice_json(notice) for notice in report.warnings],
        "unfinished": [asdict(run) for run in data.unfinished],
    }
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _group_json(verdict: GroupJudged, table: Table) -> dict[str, Value]:
    group = verdict.group
    rows = [nested(table, row) for row in table.rows if row.value("kept") is not None]
    dense = rows.pop(0) if group.dense is not None else None
    return group_place(verdict) | {
        "slug": verdict.slug,
        "task": _task_json(group.task),
        "rule": verdict.rule,
        "dense": None
        if dense is None
        else {
            "total": dense["total"],
            "seeds": dense["seeds"],
            "numbers": dense["numbers"],
            "one_checkpoint": dense["one_checkpoint"]["numbers"],
        },
        "tickets": rows,
        "extreme_sparsity": net_value(verdict.extreme),
        "one_checkpoint_extreme_sparsity": net_value(verdict.strict.extreme),
        "tested": tested_value(verdict.margin),
        "estimated": estimate_value(verdict),
        "floors": {
            number.key: {"level": floor.level, "needed": floor.needed, "carries": floor.carries}
            for number, floor in verdict.margin.floors.items()
        },
        "views": [_view_json(verdict, view) for view in sorted(verdict.views)],
        "environments": [dict(environment) for environment in group.environments],
        "runs": sorted({cell.run.label for cell in group.cells}),
    }


def _view_json(verdict: GroupJudged, view: View) -> dict[str, Value]:
    judged = verdict.views[view]
    return {
        "rule": view.rule,
        "one_checkpoint": view.strict,
        "decides": judged is verdict.decides,
        "extreme_sparsity": net_value(judged.extreme),
        "verdicts": {str(t.ticket.round): t.verdict.value for t in judged.tickets},
    }


def _headline_json(report: Report) -> list[dict[str, Value]]:
    return [
        group_place(verdict)
        | {
            "n": verdict.group.way.sa_n,
            "seeds": verdict.seeds,
            "extreme_sparsity": net_value(verdict.extreme),
            "one_checkpoint_extreme_sparsity": net_value(verdict.strict.extreme),
            "rule": verdict.rule,
            "tested": tested_value(verdict.margin),
            "estimated": estimate_value(verdict),
            "paper_extreme_sparsity": net_value(verdict.paper.extreme),
            "verified": verified_cell(report.verified.get(verdict.slug)).value,
        }
        for verdict in report.searched
    ]


def _controls_json(report: Report) -> list[dict[str, Value]]:
    """Tickets and their controls, one entry per group and round."""
    return [
        group_place(table.group)
        | {
            "round": round_.network.round,
            "sparsity": sparsity_text(round_.network.kept, round_.network.total),
            "ticket": {
                "verdict": round_.ticket.verdict.value,
                "numbers": _levels(round_.ticket.ticket.numbers),
            },
            "controls": [_control_json(control) for control in round_.controls],
        }
        for table in report.controls
        for round_ in table.rounds
    ]


def _control_json(control: Control) -> dict[str, Value]:
    return {
        "name": control.name,
        "prune": asdict(control.group.prune),
        "kept": control.network.kept,
        "verdict": control.verdict.verdict.value,
        "numbers": {
            found.number.key: level_value(found.measured)
            | {"lead": found.lead, "error": found.error, "better": found.state.value}
            for found in control.differences
        },
    }


def _efficiency_json(report: Report) -> list[dict[str, Value]]:
    """Networks by fraction, one entry per task and pre-training."""
    return [
        {
            "task": table.task,
            "attack": table.attack,
            "pretrain": pretrain_json(curve.pretrain),
            "prune": asdict(curve.groups[0].group.prune),
            "extreme_sparsity": [
                {"fraction": verdict.group.fraction, "ticket": net_value(verdict.extreme)}
                for verdict in curve.groups
            ],
            "networks": _series_json(curve),
        }
        for table in report.efficiency
        for curve in table.curves
    ]


def _series_json(curve: FractionCurve) -> list[dict[str, Value]]:
    return [
        {
            "round": series.round,
            "kept": series.kept,
            "total": series.total,
            "points": [_point_json(point) for point in series.points],
        }
        for series in curve.series
    ]


def _point_json(point: Point) -> dict[str, Value]:
    return {
        "fraction": point.fraction,
        "seeds": point.seeds,
        "verdict": point.state,
        "numbers": _levels(point.numbers),
    }


def _levels(numbers: Mapping[Number, Measured]) -> dict[str, Value]:
    return {number.key: level_value(numbers.get(number)) for number in NUMBERS}


def _pair_json(pair: Pair) -> dict[str, Value]:
    return {
        "round": pair.round,
        "left": _side_json(pair.left),
        "right": _side_json(pair.right),
        "both": pair.both,
        "iou": pair.iou,
        "lift": pair.lift,
        "layer_lift": pair.layer_lift,
        "layers": [asdict(x) | {"iou": x.iou, "lift": x.lift} for x in pair.layers],
    }


def _side_json(ticket: Side) -> dict[str, Value]:
    return {
        "pretrain": pretrain_json(ticket.pretrain),
        "prune": asdict(ticket.search),
        "kept": ticket.kept,
        "total": ticket.total,
    }


def _score_json(score: Score) -> dict[str, Value]:
    ra = None if score.ra is None else asdict(score.ra)
    return {"sa": asdict(score.sa), "ra": ra, "attack": score.attack}


def _task_json(task: TaskInfo) -> dict[str, Value]:
    flat = {key: value for key, value in asdict(task).items() if key != "n"}
    return flat | asdict(task.n)


def _sweep_json(point: SweepPoint) -> dict[str, Value]:
    return asdict(point) | {"low": point.low, "high": point.high}


def _notice_json(notice: Notice) -> dict[str, Value]:
    return asdict(notice) | {"severity": notice.severity}
