"""What several processes compute together: a training, a scoring, an evaluation.

Rank 0 runs the stage, and calls the other ranks for these three (``dwlt.ranks``). They get what
they need with the call: settings, the network as a model file, masks. Images they open themselves,
and say so if theirs are others. The runs folder is rank 0's alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dwlt.data import Split, Task
from dwlt.data.opened import open_data
from dwlt.errors import DataError
from dwlt.models import Model
from dwlt.models.files import Blueprint, model_bytes, read_model
from dwlt.ranks import ALONE, Group
from dwlt.runs.context import Context
from dwlt.scoring import Scored, score
from dwlt.spec import ModelSpec, ScoreSpec, TaskSpec


def group_of(context: Context) -> Group:
    """The processes that compute together."""
    return ALONE if context.group is None else context.group


@dataclass(frozen=True)
class Shared:
    """What every call names: the task, and how it is opened.

    Attributes:
        data: which images.
        fingerprint: of rank 0's.
        data_dir, workers, threads, device: as in ``Context``.
    """

    data: TaskSpec
    fingerprint: str
    data_dir: Path
    workers: int | None
    threads: int | None
    device: str

    @classmethod
    def of(cls, data: TaskSpec, task: Task, context: Context) -> Shared:
        """What rank 0 has open."""
        folder, workers, threads = context.data_dir, context.workers, context.threads
        return cls(data, task.fingerprint, folder, workers, threads, context.device)

    def open(self, memo: dict[str, Any]) -> Task:
        """The same task on another rank.

        Raises:
            DataError: its images are not those of rank 0, or cannot be read.
        """
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        context = Context(
            runs=Path(),
            data_dir=self.data_dir,
            device=self.device,
            workers=self.workers,
            threads=self.threads,
            observe=lambda event: None,
            stop=lambda: False,
            memo=memo,
        )
        task = open_data(self.data, context)
        if task.fingerprint != self.fingerprint:
            raise DataError(
                f"the images of {self.data.task} below {self.data_dir} are not those of rank 0"
            )
        return task


def packed(model: Model, spec: ModelSpec, task: Task) -> bytes:
    """A network as it is sent to other ranks."""
    return model_bytes(model, Blueprint.of(spec, task))


def unpacked(content: bytes) -> Model:
    """The inverse; the network is on the CPU."""
    with tempfile.TemporaryDirectory(prefix="dwlt-rank-") as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(content)
        return read_model(path)[0]


def score_split(
    model: Model,
    task: Task,
    split: str,
    spec: ScoreSpec,
    *,
    network: ModelSpec,
    data: TaskSpec,
    device: torch.device,
    context: Context,
) -> Scored:
    """Score a network on one split of a task, on all ranks together.

    Args:
        model: on ``device``.
        split: "validation" or "test".
        network, data: what ``model`` and ``task`` were made from.
    """
    group = group_of(context)

    def values() -> Mapping[str, Any]:
        return {
            "shared": Shared.of(data, task, context),
            "model": packed(model, network, task),
            "split": split,
            "spec": spec,
        }

    with group.call("score", values):
        images: Split = getattr(task, split)
        return score(model, images, spec, device=device, group=group)
