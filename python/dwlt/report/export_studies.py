"""The parts of the JSON report that are about several groups: headline, controls, data, masks."""

from __future__ import annotations

from dataclasses import asdict

from dwlt.report.content import Report
from dwlt.report.controls import Control, control_tables
from dwlt.report.efficiency import Curve, Point, efficiency_tables
from dwlt.report.headline import headline, seeds_of
from dwlt.report.overlaps import Pair, Ticket
from dwlt.results import RunRef, sparsity
from dwlt.verdict.rule import NUMBERS, GroupVerdict, Judged
from dwlt.verdict.stats import Level


def extreme_json(judged: Judged) -> dict[str, object] | None:
    """The sparsest double-win ticket, or null."""
    if judged.extreme is None:
        return None
    network = judged.extreme.network
    return {
        "round": network.round,
        "kept": network.kept,
        "total": network.total,
        "sparsity": sparsity(network.kept, network.total),
    }


def level_json(level: Level | None) -> dict[str, object]:
    """One number over its seeds."""
    if level is None:
        return {"mean": None, "spread": None, "n": None, "correct": None}
    return {
        "mean": level.mean,
        "spread": level.spread,
        "n": level.n,
        "correct": [a.correct for a in level.accuracies],
    }


def pretrain_json(ref: RunRef) -> dict[str, object]:
    """A pre-training run; its "method" has always been there and says nothing."""
    return asdict(ref) | {"method": ""}


def _where(verdict: GroupVerdict) -> dict[str, object]:
    group = verdict.group
    return {
        "group": verdict.slug,
        "pretrain": pretrain_json(group.pretrain),
        "prune": asdict(group.prune),
        "task": group.task.name,
        "fraction": group.fraction,
        "attack": group.attack,
    }


def headline_json(report: Report) -> list[dict[str, object]]:
    """The cells of the headline table, row by row."""
    return [
        _where(verdict)
        | {
            "n": verdict.group.way.sa_n,
            "seeds": seeds_of(verdict),
            "extreme_sparsity": extreme_json(verdict.main),
            "one_checkpoint_extreme_sparsity": extreme_json(verdict.strict),
        }
        for row in headline(report).rows
        for verdict in row.cells
        if verdict is not None
    ]


def controls_json(report: Report) -> list[dict[str, object]]:
    """Tickets and their controls, one entry per group and round."""
    return [
        _where(table.group)
        | {
            "round": round_.ticket.network.round,
            "sparsity": sparsity(round_.ticket.network.kept, round_.ticket.network.total),
            "ticket": {
                "verdict": round_.ticket.verdict.value,
                "numbers": {c.number.key: level_json(c.level) for c in round_.ticket.comparisons},
            },
            "controls": [_control_json(control) for control in round_.controls],
        }
        for table in control_tables(report)
        for round_ in table.rounds
    ]


def _control_json(control: Control) -> dict[str, object]:
    return {
        "name": control.name,
        "prune": asdict(control.group.prune),
        "kept": control.verdict.network.kept,
        "verdict": control.verdict.verdict.value,
        "numbers": {
            difference.number.key: level_json(difference.level)
            | {
                "lead": difference.lead,
                "error": difference.error,
                "better": difference.state.value,
            }
            for difference in control.differences
        },
    }


def efficiency_json(report: Report) -> list[dict[str, object]]:
    """Networks by fraction, one entry per task and pre-training."""
    return [
        {
            "task": table.task,
            "attack": table.attack,
            "pretrain": pretrain_json(curve.pretrain),
            "prune": asdict(curve.groups[0].group.prune),
            "extreme_sparsity": [
                {"fraction": verdict.group.fraction, "ticket": extreme_json(verdict.main)}
                for verdict in curve.groups
            ],
            "networks": _series_json(curve),
        }
        for table in efficiency_tables(report)
        for curve in table.curves
    ]


def _series_json(curve: Curve) -> list[dict[str, object]]:
    return [
        {
            "round": series.round,
            "kept": series.kept,
            "total": series.total,
            "points": [_point_json(point) for point in series.points],
        }
        for series in curve.series
    ]


def _point_json(point: Point) -> dict[str, object]:
    return {
        "fraction": point.fraction,
        "seeds": point.seeds,
        "verdict": "dense" if point.verdict is None else point.verdict.value,
        "numbers": {
            number.key: level_json(level)
            for number, level in zip(NUMBERS, point.levels, strict=True)
        },
    }


def overlaps_json(report: Report) -> list[dict[str, object]]:
    """Pairs of tickets of one round, with each layer."""
    return [_pair_json(pair) for pair in report.masks.pairs]


def _pair_json(pair: Pair) -> dict[str, object]:
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


def _side_json(ticket: Ticket) -> dict[str, object]:
    return {
        "pretrain": pretrain_json(ticket.pretrain),
        "prune": asdict(ticket.search),
        "kept": ticket.kept,
        "total": ticket.total,
    }
