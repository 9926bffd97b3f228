"""Weights & Biases: a run for each training; offline unless ``WANDB_MODE`` says otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

PROJECT = "dwlt"


class Tracker:
    """Writes offline runs below the folder, which ``wandb sync`` sends; with ``WANDB_MODE=online``
    they go there at once.

    Args:
        folder: of the offline runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._run: Any = None

    def begin(self, name: str) -> None:
        """A new run in the project of ``WANDB_PROJECT``, or "dwlt"."""
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        mode: Any = os.environ.get("WANDB_MODE", "offline")
        # Online it would ask for an account, in the middle of a command that nobody watches.
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=name,
            group=name.partition("/")[0],
            dir=self._folder,
            mode=mode,
            settings=wandb.Settings(silent=True, console="off", disable_git=True),
        )

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """All numbers of the epoch at once."""
        self._run.log(dict(values), step=epoch)

    def end(self, summary: str) -> None:
        """The summary beside the last numbers."""
        self._run.summary["summary"] = summary
        self.close()

    def close(self) -> None:
        """The run is complete."""
        if self._run is not None:
            self._run.finish()
            self._run = None
