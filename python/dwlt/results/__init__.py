"""What result files hold, as values: one model per stage, written by stages and read by all.

The models check what they read: types, ranges, and counts that have to agree with each other.
``docs/schema`` holds the JSON Schema of each.
"""

from dwlt.results.accuracy import Accuracy, Best, Score
from dwlt.results.attack import AttackId
from dwlt.results.collection import ReportData, Unfinished
from dwlt.results.evaluate import AttackOutcome, Corrupted, EvaluateResult, SweepPoint
from dwlt.results.flags import FLAGS, Flag, Notice, flag, notice
from dwlt.results.frontier import FrontierResult, Spent
from dwlt.results.pretrain import PretrainResult
from dwlt.results.prune import PruneRound
from dwlt.results.read import MODELS, parse
from dwlt.results.refs import Layer, Origin, RunRef, SearchRef, sparsity
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
    "sparsity",
]
