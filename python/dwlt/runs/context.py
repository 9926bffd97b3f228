"""Where and how the stages of one command work, apart from what decides their numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dwlt.events import Observer

if TYPE_CHECKING:
    from dwlt.ranks import Group


@dataclass(frozen=True)
class Context:
    """What every stage is given besides its settings.

    Attributes:
        runs: the folder that holds all runs.
        data_dir: where data sets are looked for and downloaded to.
        device: "auto", "cpu", "cuda" or "cuda:i".
        workers: processes that read images of large sets; None leaves the number to the machine.
        threads: CPU threads to compute with; None leaves PyTorch's choice.
        observe: is told of everything that happens.
        stop: polled between steps; True asks to stop at the next safe point.
        checkpoint_seconds: between checkpoints inside an epoch; None writes none there.
        group: the processes that compute together, as ``dwlt.ranks`` has them; None: this one.
        memo: what one command has opened and may need again, by name.
        origin: what the journal is to say of the engine that computes here; nothing in most cases.
    """

    runs: Path
    data_dir: Path
    device: str
    workers: int | None
    threads: int | None
    observe: Observer
    stop: Callable[[], bool]
    memo: dict[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)
    checkpoint_seconds: float | None = None
    group: Group | None = None
