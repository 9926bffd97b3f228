"""The other ranks: each computes its part of what rank 0 calls for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from dwlt.data import Task
from dwlt.models import Model, prunable
from dwlt.ranks import Order, Ranks
from dwlt.runs.context import Context
from dwlt.runs.store import Run
from dwlt.scoring import Scored, score
from dwlt.stages.measurement import Measurement
from dwlt.stages.together import Shared, unpacked
from dwlt.training import CheckpointSlot, TrainJob, train


def follow(group: Ranks, stop: Callable[[], bool]) -> None:
    """Compute with rank 0 until it has nothing more to do.

    Args:
        stop: whether this process was asked to stop; all ranks then stop together.

    Raises:
        RankError: rank 0 is gone.
    """
    memo: dict[str, Any] = {}
    group.serve(lambda order: TASKS[order.task](group, memo, stop, order))


def _fit(group: Ranks, memo: dict[str, Any], stop: Callable[[], bool], order: Order) -> None:
    values = order.values
    task, model = group.ready(partial(_open, values["shared"], values["model"], memo))
    scoring, every = values["scoring"], values["spec"].epochs

    def score_epoch(epoch: int) -> Scored | None:
        if scoring is None or (epoch % scoring.every and epoch != every):
            return None
        return score(model, task.validation, scoring, device=group.device, group=group)

    masks = values["masks"]
    job = TrainJob(
        model=model,
        split=task.train,
        spec=values["spec"],
        seed=values["seed"],
        device=group.device,
        # Never looked at: checkpoints are rank 0's.
        slot=CheckpointSlot(Path("state"), {}),
        augment=values["augment"],
        prunable=prunable(model),
        masks=None if masks is None else {k: v.to(group.device) for k, v in masks.items()},
        held_out=task.validation,
        keep_best=values["keep_best"],
    )
    train(job, score_epoch=score_epoch, stop=stop, group=group)


def _score(group: Ranks, memo: dict[str, Any], stop: Callable[[], bool], order: Order) -> None:
    values = order.values
    task, model = group.ready(partial(_open, values["shared"], values["model"], memo))
    split = getattr(task, values["split"])
    score(model.to(group.device), split, values["spec"], device=group.device, group=group)


def _evaluate(group: Ranks, memo: dict[str, Any], stop: Callable[[], bool], order: Order) -> None:
    values = order.values

    def prepare() -> tuple[Task, Model, Model | None]:
        task, model = _open(values["shared"], values["model"], memo)
        source = values["source"]
        return task, model, None if source is None else unpacked(source).to(group.device)

    task, model, source = group.ready(prepare)
    context = Context(
        runs=Path(),
        data_dir=values["shared"].data_dir,
        device=values["shared"].device,
        workers=values["shared"].workers,
        threads=values["shared"].threads,
        observe=lambda event: None,
        stop=lambda: False,
        group=group,
    )
    work = Measurement(
        _elsewhere(values), values["spec"], task, model.to(group.device), group.device, context
    )
    work.measure(source)


TASKS = {"fit": _fit, "score": _score, "evaluate": _evaluate}
"""What rank 0 may call for."""


def _open(shared: Shared, content: bytes, memo: dict[str, Any]) -> tuple[Task, Model]:
    return shared.open(memo), unpacked(content)


def _elsewhere(values: Any) -> Run:
    """The run as another rank has it: it says what is evaluated, and keeps nothing."""
    run = SimpleNamespace(
        spec=values["spec"],
        starts=values["starts"],
        folder=Path("elsewhere"),
        write=lambda name, content: None,
        bind=lambda what, digest: None,
    )
    return cast(Run, run)
