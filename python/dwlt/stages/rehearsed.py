"""The dry run of a network before a stage works with it, once per command."""

from __future__ import annotations

from pathlib import Path

import torch

from dwlt.data import Task
from dwlt.events import Message
from dwlt.models import Model, rehearse, swap_head
from dwlt.models.files import read_model
from dwlt.runs.context import Context
from dwlt.spec import LayerChoice, ModelSpec


def rehearse_once(
    model: Model,
    spec: ModelSpec,
    task: Task,
    context: Context,
    device: torch.device,
    layers: LayerChoice | None = None,
) -> None:
    """See ``models.rehearse``; nothing is done for a network that has passed with such images.

    Called before a run's folder is made: a network that cannot be worked with leaves nothing.

    Raises:
        ModelError: naming the network, the part that fails, and why.
    """
    if (key := _key(spec, task, device, layers)) in _passed(context):
        return
    channels, size, _ = task.shape
    for note in rehearse(
        model, spec, channels=channels, image_size=size, device=device, layers=layers
    ):
        context.observe(Message(note, warning=True))
    _passed(context).add(key)


def rehearse_file(
    path: Path,
    spec: ModelSpec,
    task: Task,
    context: Context,
    device: torch.device,
    layers: LayerChoice | None = None,
) -> None:
    """The same for a model file, with a head for the task; the file is read if need be.

    Raises:
        FormatError: the file is damaged.
        ModelError: it does not fit the task, or as above.
    """
    if _key(spec, task, device, layers) in _passed(context):
        return
    model, blueprint = read_model(path)
    blueprint.require_channels(task)
    if model.num_classes != len(task.classes):
        swap_head(model, len(task.classes), seed=0)
    rehearse_once(model, spec, task, context, device, layers)


def _key(
    spec: ModelSpec, task: Task, device: torch.device, layers: LayerChoice | None
) -> tuple[object, ...]:
    # Published weights are left out: files that come of them do not name them.
    bare = spec.model_copy(update={"weights": None, "mean": None, "std": None})
    return (bare, len(task.classes), task.shape, device, layers)


def _passed(context: Context) -> set[tuple[object, ...]]:
    passed: set[tuple[object, ...]] = context.memo.setdefault("rehearsed", set())
    return passed
