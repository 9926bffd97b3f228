"""What every stage that trains does around the one loop: events, metrics file, checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from dwlt.data import Task
from dwlt.data.opened import open_data
from dwlt.errors import InterruptError
from dwlt.events import EpochDone, Message, StepStarted
from dwlt.models import Model, parameters_of
from dwlt.ranks import ALONE, Group
from dwlt.results import AttackId, Flag, Score, SplitSizes, TaskInfo
from dwlt.results.images import ImageIds
from dwlt.runs import layout
from dwlt.runs.context import Context
from dwlt.runs.store import Run
from dwlt.scoring import Scored, score
from dwlt.spec import ScoreSpec, StageSpec, TrainSpec
from dwlt.stages.together import Shared, group_of, packed
from dwlt.training import CheckpointSlot, EpochRecord, TrainJob, TrainOutcome, train
from dwlt.training.pieces import cut

_SCORE = TypeAdapter(Score)


class Training:
    """One training inside a run.

    Args:
        run: the open run.
        into: its subfolder, "" for the run folder itself.
        label: what events call it, e.g. "round 3".
        name: what its files are called by, where a step has several trainings.
    """

    def __init__(
        self,
        run: Run,
        task: Task,
        context: Context,
        device: torch.device,
        *,
        into: str,
        label: str,
        name: str = "",
    ) -> None:
        self._run = run
        self._task = task
        self._context = context
        self._device = device
        self._into = into
        self._label = label
        self._records: list[EpochRecord] = []
        self._waited = 0.0
        folder = run.folder / into
        folder.mkdir(parents=True, exist_ok=True)
        self._name = name
        identity = {"run": run.id, "step": into} | ({"training": name} if name else {})
        self.slot = checkpoint_of(folder, identity, name)

    @property
    def files(self) -> list[str]:
        """Names of what a training leaves for the journal, relative to the run folder."""
        return [str(Path(self._into) / _called(self._name, layout.METRICS))]

    def fit(
        self,
        model: nn.Module,
        spec: TrainSpec,
        *,
        augment: str,
        seed: int,
        scoring: ScoreSpec | None,
        masks: Mapping[str, Tensor] | None = None,
        keep_best: bool = False,
        at_epoch: Callable[[int], None] | None = None,
    ) -> TrainOutcome:
        """Train ``model`` in place, or go on where an earlier try was stopped.

        Args:
            scoring: how validation is scored, every ``scoring.every`` epochs and after the last
                one; None leaves it unscored.
            keep_best: keep the best epochs by validation SA and RA in ``slot``.
            at_epoch: called with the epoch (from 1) when its training is done, before its
                checkpoint is written.

        Raises:
            InterruptError: the user asked to stop; what is done is saved.
        """
        saved = self.slot.load_epochs()
        self._waited = self._task.train.waited
        self._records = self.slot.load_records()
        self._context.observe(StepStarted(self._label, spec.epochs, resumed_at=saved))
        job = TrainJob(
            model=model,
            split=self._task.train,
            spec=spec,
            seed=seed,
            device=self._device,
            slot=self.slot,
            augment=augment if spec.colour == "none" else f"{augment}+{spec.colour}",
            prunable=None if masks is None else parameters_of(model),
            masks=masks,
            held_out=self._task.validation,
            keep_best=keep_best,
        )
        group = self._group(model)
        parts = len(cut(min(spec.batch_size, len(self._task.train)), spec.micro_batch))
        if parts < group.size:
            self._context.observe(
                Message(
                    f"{self._label}: a batch passes in {parts} micro-batch(es), so {parts} of "
                    f"{group.size} devices train; see train.micro_batch",
                    warning=True,
                )
            )
        sent = {"spec": spec, "seed": seed, "augment": job.augment, "keep_best": keep_best}

        def values() -> Mapping[str, Any]:
            assert isinstance(model, Model)
            data, network = self._run.spec.data, self._run.spec.model
            return {
                **sent,
                "shared": Shared.of(data, self._task, self._context),
                "model": packed(model, network, self._task),
                "masks": None if masks is None else {k: v.cpu() for k, v in masks.items()},
                "scoring": scoring,
            }

        with group.call("fit", values):
            outcome = train(
                job,
                score_epoch=self._scorer(model, scoring, spec.epochs, at_epoch),
                on_epoch=lambda record: self._epoch(record, spec.epochs),
                stop=self._context.stop,
                checkpoint_seconds=self._context.checkpoint_seconds,
                group=group,
            )
        self._write_metrics(outcome.records)
        if outcome.interrupted:
            steps = f" and {outcome.steps} steps of the next" if outcome.steps else ""
            raise stopped(f"{self._label}, after epoch {outcome.epochs} of {spec.epochs}{steps}")
        for flag in outcome.flags:
            self._context.observe(Message(flag.text, warning=True))
        return outcome

    def _group(self, model: nn.Module) -> Group:
        """Who trains together. What is no network as a model file holds it stays on this device."""
        return group_of(self._context) if isinstance(model, Model) else ALONE

    def _scorer(
        self,
        model: nn.Module,
        spec: ScoreSpec | None,
        epochs: int,
        at_epoch: Callable[[int], None] | None,
    ) -> Callable[[int], Scored | None]:
        def score_epoch(epoch: int) -> Scored | None:
            if at_epoch is not None:
                at_epoch(epoch)
            if spec is None or (epoch % spec.every and epoch != epochs):
                return None
            group = self._group(model)
            return score(model, self._task.validation, spec, device=self._device, group=group)

        return score_epoch

    def _epoch(self, record: EpochRecord, epochs: int) -> None:
        self._records.append(record)
        self._write_metrics(self._records)
        validation = record.validation or {}
        metrics = {"loss": record.loss}
        for key in ("sa", "ra"):
            if validation.get(key) is not None:
                metrics[key] = validation[key]["value"]
        waited = self._task.train.waited - self._waited
        self._waited += waited
        self._run.trained(record.seconds, waited)
        share = min(1.0, waited / record.seconds) if record.seconds else None
        self._context.observe(EpochDone(record.epoch, epochs, record.seconds, metrics, share))

    def _write_metrics(self, records: Iterable[EpochRecord]) -> None:
        lines = [json.dumps(record.values(), sort_keys=True) for record in records]
        text = "".join(f"{line}\n" for line in lines)
        self._run.write(self.files[0], text.encode())


def checkpoint_of(folder: Path, identity: Mapping[str, Any], name: str = "") -> CheckpointSlot:
    """The checkpoint slot of a run folder or round folder, for its training of that name."""
    return CheckpointSlot(folder / _called(name, layout.STATE), identity)


def _called(name: str, file: str) -> str:
    return f"{name}-{file}" if name else file


def clear_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of all trainings of a step that is done."""
    for path in sorted(folder.glob(f"*{layout.STATE}")):
        CheckpointSlot(path, {}).clear()


def stopped(where: str) -> InterruptError:
    """What a stage raises when the user asked to stop."""
    return InterruptError(
        f"stopped in {where}; everything up to there is saved",
        hint="run the same command again to continue",
    )


def task_info(task: Task) -> TaskInfo:
    """The ``task`` part of result files."""
    return TaskInfo(
        name=task.name,
        classes=task.classes,
        shape=task.shape,
        n=SplitSizes(len(task.train), len(task.validation), len(task.test)),
        fingerprint=task.fingerprint,
        notes=task.notes,
    )


def first_of_each(flags: Iterable[Flag]) -> tuple[Flag, ...]:
    """The ``flags`` part of result files, the first of each code."""
    first: dict[str, Flag] = {}
    for flag in flags:
        first.setdefault(flag.code, flag)
    return tuple(first.values())


def score_of(values: Mapping[str, Any], spec: ScoreSpec) -> Score:
    """A score as a record of an epoch has it; checkpoints of earlier versions lack some keys."""
    known = {"attack_id": None if spec.attack is None else AttackId.of(spec.attack)}
    return _SCORE.validate_python({**known, **values})


def used_images(
    outcome: TrainOutcome, validation: Score | None = None, test: Score | None = None
) -> ImageIds:
    """The ``ids`` part of result files, from what was trained on and scored."""
    return ImageIds(
        train=outcome.images,
        validation=None if validation is None else validation.images,
        test=None if test is None else test.images,
    )


def open_task(spec: StageSpec, context: Context) -> Task:
    """A run's task, as ``open_data`` has it."""
    return open_data(spec.data, context)
