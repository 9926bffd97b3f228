"""The result of ``dwlt pretrain``."""

from __future__ import annotations

from typing import ClassVar

from dwlt.results.accuracy import Score
from dwlt.results.base import Integer, Text
from dwlt.results.run import RunResult


class PretrainResult(RunResult):
    """A finished pre-training run; ``weights`` is the digest of what it ended with."""

    STAGE: ClassVar[str] = "pretrain"

    regime: Text
    seed: Integer
    weights: Text
    validation: Score
    test: Score
