"""TensorBoard: event files, a folder for each training."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter


class Tracker:
    """Writes ``<folder>/<stage>/<training>/events...``, which ``tensorboard --logdir`` shows.

    Args:
        folder: of the event files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None

    def begin(self, name: str) -> None:
        """A folder of its own; one that goes on writes another file into the same folder."""
        self.close()
        parts = (re.sub(r"[^\w.()-]+", "-", part) for part in name.split("/"))
        place = self._folder.joinpath(*parts)
        self._writer = SummaryWriter(str(place))

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """A scalar each; flushed, so that a kill loses no epoch."""
        assert self._writer is not None
        for key, value in values.items():
            self._writer.add_scalar(key, value, epoch)
        self._writer.flush()

    def end(self, summary: str) -> None:
        """The summary as text."""
        assert self._writer is not None
        self._writer.add_text("summary", summary)
        self.close()

    def close(self) -> None:
        """The file is complete."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
