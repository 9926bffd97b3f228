"""``evaluate``: score one model file on a task's test images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dwlt import _core
from dwlt.attacks.auto import require_package
from dwlt.data import Task
from dwlt.events import Message
from dwlt.masks.origin import require_origin
from dwlt.masks.tensors import apply_masks
from dwlt.models import Model, require_images
from dwlt.models.files import Blueprint, digest, find_model, model_bytes, read_model
from dwlt.results import EvaluateResult
from dwlt.runs import layout
from dwlt.runs.complete import Prepared, StepResult, Work, complete
from dwlt.runs.context import Context
from dwlt.runs.folder import read_spec
from dwlt.runs.store import Run
from dwlt.runs.verify import require_as_committed
from dwlt.spec import EvaluateSpec, Experiment, ScoreSpec, TaskSpec, validate_spec
from dwlt.spec.stages import SuiteAttack
from dwlt.stages.common import open_task, task_info
from dwlt.stages.measurement import Measurement, test_digest
from dwlt.stages.shards import ShardFiles
from dwlt.stages.threats import (
    sweep_radii,
)
from dwlt.stages.together import Shared, group_of
from dwlt.training.device import choose_device, describe


@dataclass(frozen=True)
class EvaluationRequest:
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
    wanted: EvaluationRequest,
    path: Path,
    context: Context,
    *,
    own_task: bool = False,
) -> tuple[Path, EvaluateResult]:
    """Evaluate a model, or go on where that was stopped, or find that it is done.

    Args:
        path: a model file or a run folder.
        own_task: score on the task of the run that the model lies in, where there is one;
            otherwise on the experiment's downstream task.

    Returns:
        The run folder and its result.

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


class _Evaluate(Work[EvaluateResult]):
    result = EvaluateResult

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
        for network, one in self._networks():
            one.require(self.task)
            if one.size != self.task.shape[1]:
                require_images(network, one.model.name, *self.task.shape[:2])
        return Prepared(self.task.fingerprint, describe(self.device, group_of(self.context).size))

    def _networks(self) -> list[tuple[Model, Blueprint]]:
        networks = [model for model in self.models if model is not None]
        return list(zip(networks, self.blueprints, strict=True))

    def do(self, run: Run, step: str) -> StepResult:
        model, source = self.models
        task, device = self.task, self.device
        work = Measurement(run, self.spec, task, model.to(device), device, self.context)

        def values() -> dict[str, Any]:
            sent = [model_bytes(each, one) for each, one in self._networks()]
            return {
                "shared": Shared.of(self.spec.data, task, self.context),
                "spec": self.spec,
                "starts": run.starts,
                "model": sent[0],
                "source": None if source is None else sent[1],
            }

        with group_of(self.context).call("evaluate", values):
            found = work.measure(None if source is None else source.to(device))
        own = {
            "task": task_info(task),
            "images": test_digest(task.test),
            "outcomes": digest(run.folder / layout.OUTCOMES),
        }
        return StepResult({**self.origin, **own, **found}, [layout.OUTCOMES])

    def clear(self, folder: Path, step: str) -> None:
        ShardFiles(folder / layout.SHARDS, {}).clear()

    def tell(self, step: str, result: EvaluateResult) -> None:
        for flag in result.flags:
            self.context.observe(Message(flag.text, warning=True))


def _spec(
    experiment: Experiment,
    wanted: EvaluationRequest,
    data: TaskSpec,
    file: Path,
    blueprint: Blueprint,
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
