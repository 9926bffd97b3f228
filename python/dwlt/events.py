"""Events: how stages report what they do. Stages never print; the CLI decides what is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import get_args


@dataclass(frozen=True)
class StageStarted:
    """A stage begins or resumes work. ``epochs`` are those still to train, in all its steps."""

    stage: str
    title: str
    epochs: int


@dataclass(frozen=True)
class StepStarted:
    """One step of a stage: a pruning round, a transfer cell, a training."""

    label: str
    epochs: int
    resumed_at: int = 0


@dataclass(frozen=True)
class EpochDone:
    """An epoch of the current step is done and saved.

    ``metrics`` has loss, sa, ra as measured. ``waiting`` is the share of its time that steps waited
    for images, None where that was not measured.
    """

    epoch: int
    epochs: int
    seconds: float
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    waiting: float | None = None


@dataclass(frozen=True)
class ShardDone:
    """A shard of an evaluation is done and saved.

    ``step`` is the attack's name, "clean" before the first. ``standing`` of ``n`` samples are still
    classified correctly; ``left`` is an estimate of the seconds until the end, None before there
    is one.
    """

    step: str
    shard: int
    shards: int
    standing: int
    n: int
    left: float | None


@dataclass(frozen=True)
class StepDone:
    """A step is complete and on disk; ``summary`` is one line about it."""

    label: str
    summary: str


@dataclass(frozen=True)
class StageDone:
    """A stage is complete. ``reused``: everything was there already and nothing was computed."""

    stage: str
    folder: str
    reused: bool


@dataclass(frozen=True)
class Message:
    """Something the user should read; ``warning`` when it can spoil a result."""

    text: str
    warning: bool = False


Event = StageStarted | StepStarted | EpochDone | ShardDone | StepDone | StageDone | Message
KINDS: tuple[type[Event], ...] = get_args(Event)
"""Every kind; each can be written as JSON and made of it again."""

Observer = Callable[[Event], None]
