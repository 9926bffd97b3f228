"""What result files hold, as values: one model per stage, written by stages and read by all.

The models check what they read: types, ranges, and counts that have to agree with each other.
``docs/schema`` holds the JSON Schema of each.

The names below are imported when first used: `dwlt runs` reads plain values alone, and must answer
without waiting for pydantic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dwlt.results.accuracy import Accuracy, Best, Score
    from dwlt.results.attack import AttackId
    from dwlt.results.collection import ReportData, Unfinished
    from dwlt.results.evaluate import AttackOutcome, Corrupted, EvaluateResult, SweepPoint
    from dwlt.results.flags import FLAGS, Flag, Notice, flag, notice
    from dwlt.results.frontier import FrontierResult, Spent
    from dwlt.results.pretrain import PretrainResult
    from dwlt.results.prune import PruneRound
    from dwlt.results.read import MODELS, parse
    from dwlt.results.refs import Layer, Origin, RunRef, SearchRef
    from dwlt.results.run import RunResult
    from dwlt.results.task import Environment, SplitSizes, TaskInfo
    from dwlt.results.transfer import TransferResult

__all__ = [
    "FLAGS",
    "MODELS",
    "Accuracy",
    "AttackId",
    "AttackOutcome",
    "Best",
    "Corrupted",
    "Environment",
    "EvaluateResult",
    "Flag",
    "FrontierResult",
    "Layer",
    "Notice",
    "Origin",
    "PretrainResult",
    "PruneRound",
    "ReportData",
    "RunRef",
    "RunResult",
    "Score",
    "SearchRef",
    "Spent",
    "SplitSizes",
    "SweepPoint",
    "TaskInfo",
    "TransferResult",
    "Unfinished",
    "flag",
    "notice",
    "parse",
]

_HOMES = {
    "Accuracy": "dwlt.results.accuracy",
    "AttackId": "dwlt.results.attack",
    "AttackOutcome": "dwlt.results.evaluate",
    "Best": "dwlt.results.accuracy",
    "Corrupted": "dwlt.results.evaluate",
    "Environment": "dwlt.results.task",
    "EvaluateResult": "dwlt.results.evaluate",
    "FLAGS": "dwlt.results.flags",
    "Flag": "dwlt.results.flags",
    "FrontierResult": "dwlt.results.frontier",
    "Layer": "dwlt.results.refs",
    "MODELS": "dwlt.results.read",
    "Notice": "dwlt.results.flags",
    "Origin": "dwlt.results.refs",
    "PretrainResult": "dwlt.results.pretrain",
    "PruneRound": "dwlt.results.prune",
    "ReportData": "dwlt.results.collection",
    "RunRef": "dwlt.results.refs",
    "RunResult": "dwlt.results.run",
    "Score": "dwlt.results.accuracy",
    "SearchRef": "dwlt.results.refs",
    "Spent": "dwlt.results.frontier",
    "SplitSizes": "dwlt.results.task",
    "SweepPoint": "dwlt.results.evaluate",
    "TaskInfo": "dwlt.results.task",
    "TransferResult": "dwlt.results.transfer",
    "Unfinished": "dwlt.results.collection",
    "flag": "dwlt.results.flags",
    "notice": "dwlt.results.flags",
    "parse": "dwlt.results.read",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dwlt.results' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
