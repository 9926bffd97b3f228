"""``pretrain``: train the whole network on the source task."""

from __future__ import annotations

from pathlib import Path

import torch

from dwlt.data import Task
from dwlt.events import StageStarted, StepDone
from dwlt.models import Model
from dwlt.models.files import Blueprint, digest, model_bytes, new_model
from dwlt.results import PretrainResult, Score
from dwlt.runs import layout
from dwlt.runs.complete import Prepared, StepResult, Work, complete
from dwlt.runs.context import Context
from dwlt.runs.store import Run
from dwlt.spec import PretrainSpec
from dwlt.stages.common import (
    Training,
    checkpoint_of,
    first_of_each,
    open_task,
    task_info,
    used_images,
)
from dwlt.stages.rehearsed import rehearse_once
from dwlt.stages.together import group_of, score_split
from dwlt.training.device import choose_device, describe


def run(spec: PretrainSpec, context: Context) -> tuple[Path, PretrainResult]:
    """Pre-train, or find that it is done.

    The weights are those after the last epoch: nothing is chosen, so no image is spent on choosing.

    Returns:
        The run folder and its result.

    Raises:
        As ``runs.complete``.
    """
    done = complete(spec, {}, _Pretrain(spec, context), context)
    return done.folder, done.results[0]


class _Pretrain(Work[PretrainResult]):
    result = PretrainResult

    def __init__(self, spec: PretrainSpec, context: Context) -> None:
        self.spec = spec
        self.context = context
        self.device: torch.device
        self.task: Task
        self.model: Model

    def prepare(self) -> Prepared:
        self.device = choose_device(self.context.device, self.context.threads)
        self.task = open_task(self.spec, self.context)
        self.model = new_model(self.spec.model, self.task, seed=self.spec.seed)
        rehearse_once(self.model, self.spec.model, self.task, self.context, self.device)
        return Prepared(self.task.fingerprint, describe(self.device, group_of(self.context).size))

    def do(self, run: Run, step: str) -> StepResult:
        spec, task, model = self.spec, self.task, self.model
        training = Training(run, task, self.context, self.device, into="", label="training")
        self.context.observe(
            StageStarted(
                "pretrain",
                f"{spec.model.name} on {task.name}, {spec.train.regime}",
                spec.train.epochs - training.slot.load_epochs(),
            )
        )
        outcome = training.fit(
            model, spec.train, augment=spec.data.augment, seed=spec.seed, scoring=spec.score
        )
        model.to(self.device)
        scores = {
            split: score_split(
                model,
                task,
                split,
                spec.score,
                network=spec.model,
                data=spec.data,
                device=self.device,
                context=self.context,
            )
            for split in ("validation", "test")
        }
        run.write(layout.MODEL, model_bytes(model, Blueprint.of(spec.model, task)))
        flags = (*outcome.flags, *scores["validation"].flags, *scores["test"].flags)
        validation, test = scores["validation"].counts, scores["test"].counts
        return StepResult(
            {
                "regime": spec.train.regime,
                "seed": spec.seed,
                "task": task_info(task),
                "ids": used_images(outcome, validation, test),
                "weights": digest(run.folder / layout.MODEL),
                "validation": validation,
                "test": test,
                "flags": first_of_each(flags),
            },
            [*training.files, layout.MODEL],
        )

    def clear(self, folder: Path, step: str) -> None:
        checkpoint_of(folder, {}).clear()

    def tell(self, step: str, result: PretrainResult) -> None:
        self.context.observe(StepDone("test", summary(result.test)))


def summary(score: Score) -> str:
    """One line about a score: "SA 97.3%, RA 81.0% (pgd-20 linf 3/16, n 226)"."""
    sa, ra = score.sa, score.ra
    if ra is None:
        return f"SA {sa.value:.1%} (n {sa.n})"
    return f"SA {sa.value:.1%}, RA {ra.value:.1%} ({score.attack}, n {sa.n})"
