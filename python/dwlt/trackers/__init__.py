"""Trackers: programs of others that keep and draw the numbers of trainings.

A tracker is told what stages report (``events``) and decides nothing. One that fails is left out
from then on, with a warning: no run stops for it. One file each; none is imported before it is
asked for, and each needs its extra (``pip install 'dwlt[tensorboard]'``).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from dwlt.errors import UserError, did_you_mean
from dwlt.events import (
    EpochDone,
    Event,
    Message,
    Observer,
    StageDone,
    StageStarted,
    StepDone,
    StepStarted,
)

NAMES = ("tensorboard", "mlflow", "wandb")
"""The trackers there are; each is the module of that name here, and the extra."""


class Tracker(Protocol):
    """What is told of one command's trainings, one after another."""

    def begin(self, name: str) -> None:
        """A training begins or goes on, called like "prune/round 3"."""

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Numbers after an epoch of the training that was begun last."""

    def end(self, summary: str) -> None:
        """That training is done and on disk."""

    def close(self) -> None:
        """The command is over; what was begun may not have ended."""


def open_tracker(name: str, folder: Path) -> Tracker:
    """Load a tracker.

    Args:
        name: one of ``NAMES``.
        folder: where it may keep its files, unless its own settings say another place.

    Raises:
        UserError: there is no such tracker, its package is not installed, or it does not start.
    """
    if name not in NAMES:
        raise UserError(
            f"there is no tracker {name!r}",
            hint=f"{did_you_mean(name, NAMES)}there are {', '.join(NAMES)}",
        )
    try:
        module = importlib.import_module(f"dwlt.trackers.{name}_")
        made: Tracker = module.Tracker(folder / name)
    except ImportError as error:
        raise UserError(
            f"the tracker {name} is not installed ({error.name or error} is missing)",
            hint=f"pip install 'dwlt[{name}]'",
        ) from error
    except Exception as error:  # before any work, so that the user can mend it
        raise UserError(
            f"the tracker {name} cannot be started: {type(error).__name__}: {error}",
            hint="look at its settings, or leave --tracker out",
        ) from error
    return made


class Follower:
    """Hands events on, and to trackers what is theirs.

    Args:
        observe: gets every event, before the trackers.
        trackers: by name.
    """

    def __init__(self, observe: Observer, trackers: Mapping[str, Tracker]) -> None:
        self._observe = observe
        self._trackers = dict(trackers)
        self._stage = ""
        self._names: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        """One event."""
        self._observe(event)
        match event:
            case StageStarted():
                self._stage = event.stage
            case StepStarted():
                name = self._own(f"{self._stage}/{event.label}")
                self._tell(lambda tracker: tracker.begin(name))
            case EpochDone():
                known = {k: float(v) for k, v in event.metrics.items() if v is not None}
                values = {**known, "seconds": event.seconds}
                self._tell(lambda tracker: tracker.log(event.epoch, values))
            case StepDone():
                self._tell(lambda tracker: tracker.end(event.summary))
            case StageDone():
                self._stage = ""

    def close(self) -> None:
        """End all trackers; a second call does nothing."""
        self._tell(lambda tracker: tracker.close())
        self._trackers.clear()

    def _own(self, name: str) -> str:
        """A name that no other training of this command has: cells of a grid may share one."""
        self._names[name] = self._names.get(name, 0) + 1
        return name if self._names[name] == 1 else f"{name} ({self._names[name]})"

    def _tell(self, act: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                act(tracker)
            except Exception as error:  # whatever it raises is none of the run's business
                del self._trackers[name]
                reason = str(error).strip().split("\n")[0] or "no message"
                self._observe(
                    Message(
                        f"the tracker {name} failed and is left out from here on: "
                        f"{type(error).__name__}: {reason}",
                        warning=True,
                    )
                )
