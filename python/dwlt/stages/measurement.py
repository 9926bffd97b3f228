"""What an evaluation measures: accuracies, the sweep over radii, and corrupted images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from dwlt.attacks.auto import VERSION
from dwlt.attacks.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from dwlt.data import Batch, CorruptedFolder, Split, Task
from dwlt.data.resident import ResidentSplit
from dwlt.events import ShardDone, StageStarted
from dwlt.models import Model
from dwlt.results import Accuracy, AttackOutcome, Corrupted, Flag, SweepPoint
from dwlt.results.evaluate import Corruptions
from dwlt.results.images import ImageIds
from dwlt.results.outcomes import OutcomeTable, to_bytes
from dwlt.runs import layout
from dwlt.runs.context import Context
from dwlt.runs.store import Run
from dwlt.scoring import (
    SHARD,
    Evaluation,
    Gradient,
    SampleSet,
    accuracy_on,
    evaluate,
    sweep_flags,
)
from dwlt.spec import EvaluateSpec
from dwlt.stages.common import first_of_each, stopped
from dwlt.stages.shards import ShardFiles
from dwlt.stages.threats import (
    attack_at,
    covering_radius,
    identity,
    protocol_flags,
    threats,
    values,
)
from dwlt.stages.together import group_of

BUILTIN = "builtin"
"""The corruptions that dwlt computes itself."""


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


class Measurement:
    """One evaluation in its run folder.

    Args:
        run_: the open run, which gets the outcomes' file; shards that are done lie below it.
        spec: what is measured, and how.
        task: whose test images are scored.
        model: logits of images in [0, 1], on ``device``.
        device: where everything is computed.
        context: is told of progress, and says when to stop.
    """

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
        """What finished steps depend on. The run's id depends on the same, but could not name the
        value that differs."""
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
        """Everything that the result holds of this evaluation.

        Args:
            source: the network that attacks are made on; None: on the model itself.

        Raises:
            LedgerError: a finished shard in the folder is of another evaluation.
            InterruptError: the user asked to stop; finished shards are saved.
        """
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
            group=group_of(self._context),
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
        assert attack is not None  # EvaluateSpec allows a sweep only with an attack
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
                group=group_of(self._context),
            )
            assert one.score.ra is not None  # there was an attack
            curve.append((str(radius), one.score.ra))
        whole = str(covering_radius(attack.norm, self._task.shape))
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
        samples: SampleSet,
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
            group=group_of(self._context),
        )
        rows.append(Corrupted(name, severity, found))

    def _tell(self, progress: ShardDone) -> None:
        self._context.observe(progress)
        if self._context.stop():
            raise stopped(f"{progress.step}, shard {progress.shard} of {progress.shards}")
