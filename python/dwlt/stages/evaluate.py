"""``evaluate``: score one model file on a task's test images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from dwlt import _core
from dwlt.attacks.auto import VERSION, require_package
from dwlt.attacks.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from dwlt.data import Batch, CorruptedFolder, Split, Task
from dwlt.data.resident import ResidentSplit
from dwlt.events import Notice, ShardDone, StageStarted
from dwlt.masks.selection import require_origin
from dwlt.masks.tensors import apply_masks
from dwlt.models import Model, require_images
from dwlt.models.files import Blueprint, digest, find_model, read_model
from dwlt.results import Accuracy, AttackOutcome, Corrupted, Flag, SweepPoint
from dwlt.results.evaluate import Corruptions
from dwlt.results.images import ImageIds
from dwlt.results.outcomes import OutcomeTable, to_bytes
from dwlt.runs import layout
from dwlt.runs.complete import Prepared, StepResult, Work, complete
from dwlt.runs.context import Context
from dwlt.runs.folder import read_spec
from dwlt.runs.store import Run
from dwlt.runs.verify import require_as_committed
from dwlt.scoring import (
    SHARD,
    Evaluation,
    Gradient,
    Samples,
    accuracy_on,
    evaluate,
    sweep_flags,
)
from dwlt.spec import EvaluateSpec, Experiment, ScoreSpec, TaskSpec, validate_spec
from dwlt.spec.stages import SuiteAttack
from dwlt.stages.common import first_of_each, open_task, stopped, task_info
from dwlt.stages.shards import ShardFiles
from dwlt.stages.threats import (
    attack_at,
    identity,
    protocol_flags,
    sweep_radii,
    threats,
    values,
    whole_range,
)
from dwlt.training.device import choose_device, describe

BUILTIN = "builtin"
"""The corruptions that dwlt computes itself."""


@dataclass(frozen=True)
class Wanted:
    """What an evaluation is to measure, besides SA.

    Attributes:
        score: with the attack; None measures SA alone.
        suite, prefilter: as in ``EvaluateSpec``.
        sweep: measure RA from a quarter of the attack's radius to where every image is in reach.
        samples: on so many test images, class-balanced and seeded; None: on all.
        corruptions: "builtin", or a folder like CIFAR-10-C.
        mask: a mask file that is laid on the weights first.
        source: another model; the attack is made on that one, and shown to this one.
    """

    score: ScoreSpec
    suite: tuple[SuiteAttack, ...] = ()
    prefilter: bool = False
    sweep: bool = False
    samples: int | None = None
    corruptions: str | None = None
    mask: Path | None = None
    source: Path | None = None


def task_of(path: Path) -> TaskSpec | None:
    """The task that the run around a model file was about, or None outside a run folder."""
    data = read_spec(path.parent).get("data")
    return None if data is None else validate_spec(TaskSpec, data, str(path.parent / layout.SPEC))


def attack_of(path: Path) -> dict[str, Any]:
    """The attack that the run around a model file was scored with, as changes of a config.

    A model is looked at under its own threat unless another is named: the radius of some other
    preset would say nothing about it.
    """
    attack = read_spec(path.parent).get("score", {}).get("attack", {})
    return {f"attack__evaluate__{name}": value for name, value in attack.items()}


def run(
    experiment: Experiment,
    wanted: Wanted,
    path: Path,
    context: Context,
    *,
    own_task: bool = False,
) -> tuple[Path, dict[str, Any]]:
    """Evaluate a model, or go on where that was stopped, or find that it is done.

    Args:
        path: a model file or a run folder.
        own_task: score on the task of the run that the model lies in, where there is one;
            otherwise on the experiment's downstream task.

    Returns:
        The run folder and the content of its ``result.json``.

    Raises:
        FormatError, ModelError, MaskError: the files do not hold a model that takes these images.
        UserError: AutoAttack is asked for and not installed.
        LedgerError: finished steps in the folder are of another evaluation; or the model's run
            ended with another file.
        InterruptError: the user asked to stop; finished shards are saved.
    """
    if wanted.suite:
        require_package()
    file = find_model(path)
    require_as_committed(file)
    model, blueprint = read_model(file)
    data = (task_of(file) if own_task else None) or experiment.downstream
    spec = _spec(experiment, wanted, data, file, blueprint)
    starts = {"weights": digest(file)}
    if wanted.mask is not None:
        masks = _core.MaskSet.load(str(wanted.mask))
        require_origin(masks, wanted.mask, file)
        apply_masks(model, masks)
        starts["mask"] = masks.digest
    source: tuple[Model, Blueprint] | None = None
    if wanted.source is not None:
        source_file = find_model(wanted.source)
        require_as_committed(source_file)
        source = read_model(source_file)
        starts["from"] = digest(source_file)
    models = (model, None if source is None else source[0])
    blueprints = (blueprint, *([] if source is None else [source[1]]))
    origin = {
        "model": str(file),
        "weights": starts["weights"],
        "mask": None if wanted.mask is None else str(wanted.mask),
        "from": None if wanted.source is None else str(wanted.source),
    }
    work = _Evaluate(spec, context, models, blueprints, origin)
    done = complete(spec, starts, work, context)
    return done.folder, done.results[0]


class _Evaluate(Work):
    stage = "evaluate"

    def __init__(
        self,
        spec: EvaluateSpec,
        context: Context,
        models: tuple[Model, Model | None],
        blueprints: tuple[Blueprint, ...],
        origin: dict[str, Any],
    ) -> None:
        self.spec = spec
        self.context = context
        self.models = models
        self.blueprints = blueprints
        self.origin = origin
        self.device: torch.device
        self.task: Task

    def prepare(self) -> Prepared:
        self.device = choose_device(self.context.device, self.context.threads)
        self.task = open_task(self.spec, self.context)
        networks = [model for model in self.models if model is not None]
        for network, one in zip(networks, self.blueprints, strict=True):
            one.require(self.task)
            if one.size != self.task.shape[1]:
                require_images(network, one.model.name, *self.task.shape[:2])
        return Prepared(self.task.fingerprint, describe(self.device))

    def do(self, run: Run, step: str) -> StepResult:
        model, source = self.models
        task, device = self.task, self.device
        work = _Measurement(run, self.spec, task, model.to(device), device, self.context)
        found = work.measure(None if source is None else source.to(device))
        own = {
            "task": task_info(task),
            "images": test_digest(task.test),
            "outcomes": digest(run.folder / layout.OUTCOMES),
        }
        return StepResult({**self.origin, **own, **found}, [layout.OUTCOMES])

    def clear(self, folder: Path, step: str) -> None:
        ShardFiles(folder / layout.SHARDS, {}).clear()

    def tell(self, step: str, result: Mapping[str, Any]) -> None:
        for flag in result["flags"]:
            self.context.observe(Notice(flag["text"], warning=True))


def _spec(
    experiment: Experiment, wanted: Wanted, data: TaskSpec, file: Path, blueprint: Blueprint
) -> EvaluateSpec:
    if wanted.samples is not None:
        data = data.model_copy(update={"test": wanted.samples})
    shape = (blueprint.channels, blueprint.size, blueprint.size)
    attack = wanted.score.attack
    spec = experiment.evaluate_spec(data, wanted.score)
    changes = {
        "name": file.stem,
        "model": blueprint.model,
        "suite": wanted.suite,
        "prefilter": wanted.prefilter,
        "sweep": sweep_radii(attack, shape) if wanted.sweep and attack is not None else (),
        "corruptions": wanted.corruptions,
    }
    return validate_spec(EvaluateSpec, {**dict(spec), **changes}, "evaluate")


def test_digest(split: Split) -> str:
    """Names the test images alone: who they are, their labels, and pixels that are in memory.

    A task's fingerprint covers the training images too, which do not matter to an evaluation:
    results on the same test images are to stand side by side.
    """
    digest = hashlib.blake2b(split.origin.encode(), digest_size=16)
    digest.update(split.ids.astype("<i8").tobytes())
    digest.update(split.labels.astype("<i8").tobytes())
    if isinstance(split, ResidentSplit):
        digest.update(split.pixels.numpy().data)
    return digest.hexdigest()


def _outcomes(found: Evaluation) -> OutcomeTable:
    """Which test images the model got right, and which stood after each attack."""
    score = found.score
    bits = {"sa": score.clean} | {f"after.{name}": one for name, one in found.after().items()}
    if score.robust is not None:
        bits["ra"] = score.robust
    return OutcomeTable(score.ids, str(score.images), bits)


class _Measurement:
    """One evaluation in its run folder."""

    def __init__(
        self,
        run_: Run,
        spec: EvaluateSpec,
        task: Task,
        model: Model,
        device: torch.device,
        context: Context,
    ) -> None:
        self._run = run_
        self._spec = spec
        self._task = task
        self._model = model
        self._device = device
        self._context = context
        self._classes = len(task.classes)
        self.steps = ShardFiles(run_.folder / layout.SHARDS, self._identity())

    def _identity(self) -> dict[str, Any]:
        """What finished steps depend on; the run's id says the same, but names nothing."""
        attack = {
            f"attack {name}": value for name, value in values(self._spec.score.attack).items()
        }
        return {
            **{f"{name} digest": value for name, value in self._run.starts.items()},
            **attack,
            "seed": self._spec.score.seed,
            "images": self._task.fingerprint,
            "test images": test_digest(self._task.test),
            "shard size": SHARD,
            "torch": metadata.version("torch"),
            "pyautoattack": VERSION if self._spec.suite else None,
            "device": self._device.type,
        }

    def measure(self, source: Model | None) -> dict[str, Any]:
        """Everything that the result holds of this evaluation."""
        spec, task = self._spec, self._task
        attack = identity(spec, self._classes, made_on=self._run.starts.get("from"))
        named = None if attack is None else attack.label
        title = f"{self._run.spec.name} on {task.name}, {len(task.test):,} images, "
        self._context.observe(StageStarted("evaluate", title + (named or "SA only"), 0))
        found = evaluate(
            self._model,
            task.test,
            threats(spec, self._classes, source),
            label=named,
            attack_id=attack,
            device=self._device,
            batch_size=self._spec.score.batch_size,
            steps=self.steps,
            on_shard=self._tell,
        )
        flags = [*protocol_flags(spec, self._classes), *found.score.flags]
        test = found.score.counts
        self._run.write(layout.OUTCOMES, to_bytes(_outcomes(found)))
        result: dict[str, Any] = {
            "test": test,
            "ids": ImageIds(test=test.images),
            "attacks": [AttackOutcome(a.name, a.tried, a.fooled, a.after) for a in found.attacks],
            "samples": found.samples(),
        }
        if spec.sweep:
            curve, raised = self._sweep(found)
            result["sweep"], flags = curve, [*flags, *raised]
        if spec.corruptions is not None:
            result["corruptions"] = self._corruptions()
        return {**result, "flags": first_of_each(flags)}

    def _sweep(self, found: Evaluation) -> tuple[list[SweepPoint], list[Flag]]:
        attack = self._spec.score.attack
        assert attack is not None  # the spec has seen to it
        score = self._spec.score
        curve: list[tuple[str, Accuracy]] = [("0", found.score.sa)]
        for radius in self._spec.sweep:
            name = f"sweep-{radius}"
            one = evaluate(
                self._model,
                self._task.test,
                [Gradient(name, attack_at(attack, radius), score.seed, score.batch_size)],
                label=name,
                device=self._device,
                batch_size=self._spec.score.batch_size,
                steps=self.steps,
                on_shard=self._tell,
            )
            assert one.score.ra is not None  # there was an attack
            curve.append((str(radius), one.score.ra))
        whole = str(whole_range(attack.norm, self._task.shape))
        points = [SweepPoint(eps, ra) for eps, ra in curve]
        return points, list(sweep_flags(curve, whole=whole))

    def _corruptions(self) -> Corruptions:
        asked = self._spec.corruptions
        rows: list[Corrupted] = []
        if asked == BUILTIN:
            self._builtin(rows)
            source, fingerprint = BUILTIN, None
        else:
            folder = CorruptedFolder(
                Path(str(asked)).expanduser(),
                classes=self._classes,
                shape=self._task.shape,
                limit=self._spec.data.test,
            )
            self._run.bind("corrupted images", folder.fingerprint())
            for name in folder.names:
                for severity in SEVERITIES:
                    images = folder.images(name, severity)
                    self._corrupted(rows, images, lambda batch: batch, name, severity)
            source, fingerprint = str(asked), folder.fingerprint()
        mean = sum(row.sa.value for row in rows) / len(rows)
        return Corruptions(tuple(rows), source, fingerprint, mean)

    def _builtin(self, rows: list[Corrupted]) -> None:
        seed = self._spec.score.seed
        for name in CORRUPTIONS:
            for severity in SEVERITIES:

                def change(batch: Batch, name: str = name, severity: int = severity) -> Batch:
                    images = corrupt(name, batch.images, severity, seed=seed, ids=batch.ids)
                    return Batch(images, batch.labels, batch.ids)

                self._corrupted(rows, self._task.test, change, name, severity)

    def _corrupted(
        self,
        rows: list[Corrupted],
        samples: Samples,
        change: Callable[[Batch], Batch],
        name: str,
        severity: int,
    ) -> None:
        found = accuracy_on(
            self._model,
            samples,
            change,
            step=f"{name}-{severity}",
            device=self._device,
            batch_size=self._spec.score.batch_size,
            steps=self.steps,
            on_shard=self._tell,
        )
        rows.append(Corrupted(name, severity, found))

    def _tell(self, progress: ShardDone) -> None:
        self._context.observe(progress)
        if self._context.stop():
            raise stopped(f"{progress.step}, shard {progress.shard} of {progress.shards}")
