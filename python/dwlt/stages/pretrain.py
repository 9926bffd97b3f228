"""``pretrain``: train the whole network on the source task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dwlt.data import Task
from dwlt.events import StageDone, StageStarted, StepDone
from dwlt.models import Model
from dwlt.models.files import Blueprint, digest, model_bytes, new_model
from dwlt.results.files import read_result
from dwlt.runs import layout, store
from dwlt.runs.store import Context, Run
from dwlt.scoring import score
from dwlt.spec import PretrainSpec
from dwlt.stages.common import Training, flag_values, open_task, slot_of, task_values
from dwlt.training.device import describe, pick


def run(spec: PretrainSpec, context: Context) -> tuple[Path, dict[str, Any]]:
    """Pre-train, or find that it is done.

    The weights are those after the last epoch, as the paper takes them.

    Returns:
        The run folder and the content of its ``result.json``.

    Raises:
        BusyError: another process works on this run.
        InterruptError: the user asked to stop; the last complete epoch is saved.
    """
    run_id = store.run_id("pretrain", spec, {})
    folder = layout.run_folder(context.runs, "pretrain", spec.name, run_id)
    result = read_result(folder / layout.RESULT)
    if result is not None:
        # A kill between the result and this line may have left the checkpoint behind.
        slot_of(folder, {}).clear()
        context.observe(StageDone("pretrain", str(folder), reused=True))
        return folder, result
    device = pick(context.device, context.threads)
    # Before the folder is made: a task or model that cannot be had leaves nothing behind.
    task = open_task(spec, context)
    model = new_model(spec.model, task, seed=spec.seed)
    with Run(folder, spec, {}, [("pretrain", layout.RESULT)]) as run_:
        # Another process may have finished between the look above and the lock.
        result = read_result(folder / layout.RESULT)
        if result is None:
            run_.begin(task.fingerprint, describe(device))
            result = _train(run_, spec, context, device, task, model)
    context.observe(StageDone("pretrain", str(folder), reused=False))
    return folder, result


def _train(
    run_: Run,
    spec: PretrainSpec,
    context: Context,
    device: torch.device,
    task: Task,
    model: Model,
) -> dict[str, Any]:
    training = Training(run_, task, context, device, into="", label="training")
    left = spec.train.epochs - training.slot.load_epochs()
    context.observe(
        StageStarted("pretrain", f"{spec.model.name} on {task.name}, {spec.train.regime}", left)
    )
    outcome = training.fit(
        model, spec.train, augment=spec.data.augment, seed=spec.seed, scoring=spec.score
    )
    model.to(device)
    scores = {
        split: score(model, getattr(task, split), spec.score, device=device)
        for split in ("validation", "test")
    }
    run_.write(layout.MODEL, model_bytes(model, Blueprint.of(spec.model, task)))
    test = scores["test"].values()
    flags = (*outcome.flags, *scores["validation"].flags, *scores["test"].flags)
    result = run_.finish(
        "pretrain",
        {
            "regime": spec.train.regime,
            "seed": spec.seed,
            "task": task_values(task),
            "weights": digest(run_.folder / layout.MODEL),
            "validation": scores["validation"].values(),
            "test": test,
            "flags": flag_values(flags),
        },
        files=[*training.files, layout.MODEL],
        device=describe(device),
    )
    training.slot.clear()
    context.observe(StepDone("test", summary(test)))
    return result


def summary(score_values: dict[str, Any]) -> str:
    """One line about a score: "SA 97.3%, RA 81.0% (pgd-20 linf 3/16, n 226)"."""
    sa, ra = score_values["sa"], score_values["ra"]
    if ra is None:
        return f"SA {sa['value']:.1%} (n {sa['n']})"
    return f"SA {sa['value']:.1%}, RA {ra['value']:.1%} ({score_values['attack']}, n {sa['n']})"
