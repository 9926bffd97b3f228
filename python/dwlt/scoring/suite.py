"""An evaluation in small steps: several attacks, shard by shard, each step saved when it is done.

Shards are fixed (``dwlt.scoring.shards``). Samples that one attack has fooled are not shown to the
next; RA is the worst case over all attacks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from dwlt.attacks import predicts
from dwlt.data import Batch
from dwlt.errors import DataError
from dwlt.events import ShardDone
from dwlt.ranks import ALONE, Group
from dwlt.results import Accuracy, AttackId, Flag
from dwlt.results.base import jsonable
from dwlt.results.images import ids_digest
from dwlt.scoring.accuracy import Scored, could_be_shares
from dwlt.scoring.checks import measuring, require_inside, require_pixels
from dwlt.scoring.inputs import input_flags
from dwlt.scoring.masking import masking_flags, standard_flags
from dwlt.scoring.shards import Clock, NoSteps, NumberedSamples, SampleSet, Saved, Steps, shards_of
from dwlt.scoring.shared import SharedSteps
from dwlt.scoring.threats import Threat, logits_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Outcome:
    """What one attack did. ``after`` is RA against it and all those before it."""

    name: str
    tried: int
    fooled: int
    after: Accuracy


@dataclass(frozen=True)
class Evaluation:
    """What ``evaluate`` measured.

    Attributes:
        score: SA, worst-case RA, outcomes per sample, and flags.
        attacks: what each attack added, in their order.
        broken_by: the attack that fooled each sample; None where it stands or was wrong.
    """

    score: Scored
    attacks: tuple[Outcome, ...]
    broken_by: tuple[str | None, ...]

    def samples(self) -> dict[str, Any]:
        """The per-sample outcomes of result files."""
        return {**self.score.samples(), "broken_by": list(self.broken_by)}

    def after(self) -> dict[str, NDArray[np.bool_]]:
        """(n,) bool by attack: which samples are still right after it and all those before it."""
        stands = self.score.clean.copy()
        found = {}
        for attack in self.attacks:
            stands = stands & np.array([by != attack.name for by in self.broken_by])
            found[attack.name] = stands
        return found


def evaluate(
    model: nn.Module,
    split: NumberedSamples,
    threats: Sequence[Threat],
    *,
    label: str | None,
    attack_id: AttackId | None = None,
    device: torch.device | str,
    batch_size: int = 256,
    steps: Steps | None = None,
    on_shard: Callable[[ShardDone], None] | None = None,
    group: Group = ALONE,
) -> Evaluation:
    """Standard accuracy, and worst-case robust accuracy over some attacks.

    Args:
        model: logits of images in [0, 1]; already on ``device``.
        threats: in this order; none measures SA alone.
        label: what the attacks together are called.
        attack_id: their values together, where results are to name them.
        batch_size: the most images that the model is shown at once here; threats have limits of
            their own. No outcome depends on it.
        steps: keeps what is done; steps found there are not done again.
        on_shard: called after each shard of each attack; what it raises ends the evaluation, and
            leaves the model restored and finished steps kept.
        group: the devices that share the shards; ``steps`` and ``on_shard`` are those of the first.

    Raises:
        DataError: there is no sample, or a pixel is outside [0, 1] by more than 1e-6.
        DwltError: an adversarial example left its ball (a fault of the attack, never of data).
    """
    where = torch.device(device)
    if len(split) == 0:
        raise DataError("there is nothing to score: the split has no samples")
    with measuring(model, where):
        kept = SharedSteps(steps or NoSteps(), on_shard, group)
        work = _Work(model, split, threats, where, batch_size, kept)
        work.clean()
        for index in range(len(threats)):
            work.attack(index)
    return work.result(label, attack_id)


def accuracy_on(
    model: nn.Module,
    split: SampleSet,
    change: Callable[[Batch], Batch],
    *,
    step: str,
    device: torch.device | str,
    batch_size: int = 256,
    steps: Steps | None = None,
    on_shard: Callable[[ShardDone], None] | None = None,
    group: Group = ALONE,
) -> Accuracy:
    """Standard accuracy on changed images, shard by shard.

    Args:
        change: from a batch to the batch that is scored.
        step: names the change among finished steps.

    Raises:
        DataError: a changed pixel is outside [0, 1] by more than 1e-6.
    """
    where, correct = torch.device(device), 0
    kept = SharedSteps(steps or NoSteps(), on_shard, group)
    cuts = list(shards_of(len(split)))

    def measure(shard: int) -> Saved:
        batch = change(split.take(cuts[shard], device=where))
        require_pixels(batch.images)
        logits = logits_of(model, batch.images, batch_size)
        return {"correct": int(predicts(logits, batch.labels).sum())}

    with measuring(model, where), torch.no_grad():
        for shard, saved, _ in kept.each(step, range(len(cuts)), measure):
            correct += saved["correct"]
            kept.tell(ShardDone(step, shard + 1, len(cuts), correct, len(split), None))
    return Accuracy(correct, len(split))


class _Work:
    """The state of an evaluation: which samples are still classified correctly, and the outcome of
    each step."""

    def __init__(
        self,
        model: nn.Module,
        split: NumberedSamples,
        threats: Sequence[Threat],
        device: torch.device,
        batch_size: int,
        steps: SharedSteps,
    ) -> None:
        self._model = model
        self._split = split
        self._threats = threats
        self._device = device
        self._batch_size = batch_size
        self._steps = steps
        self._cuts = list(shards_of(len(split)))
        self._ids: list[int] = []
        self._clean = np.zeros(len(split), dtype=np.bool_)
        self._stands = self._clean
        self._by: list[str | None] = [None] * len(split)
        self._tried = [0] * len(threats)
        self._counts = {"blind": 0, "wavering": 0}
        self._shares = True
        self._classes = 0
        self._flags: list[Flag] = []
        self._clock = Clock()

    def clean(self) -> None:
        """Find which samples are right without an attack, and what inputs and outputs give reason
        to warn of."""
        for shard, saved, _ in self._steps.each(
            "clean", range(len(self._cuts)), self._measure_clean
        ):
            positions = self._cuts[shard]
            self._ids += saved["ids"]
            self._clean[positions] = np.array(saved["right"], dtype=np.bool_)
            self._shares &= saved["shares"]
            self._classes = saved["classes"]
            self._flags += [Flag(**values) for values in saved["flags"]]
            self._tell("clean", shard, int(self._clean.sum()), None)
        self._stands = self._clean.copy()

    def _measure_clean(self, shard: int) -> Saved:
        first = shard == 0
        batch = self._split.take(self._cuts[shard], device=self._device)
        require_pixels(batch.images)
        logits = logits_of(self._model, batch.images, self._batch_size)
        some = slice(0, self._batch_size)
        flags = input_flags(self._model, batch.images[some], logits[some]) if first else ()
        return {
            "ids": batch.ids.tolist(),
            "right": predicts(logits, batch.labels).int().tolist(),
            "shares": bool(could_be_shares(logits).all()),
            "classes": logits.shape[1],
            "flags": [jsonable(flag) for flag in flags],
        }

    def attack(self, index: int) -> None:
        """Run one attack on all samples that are still classified correctly."""
        threat = self._threats[index]
        # Shards do not share samples, so what stands of one does not depend on another.
        stand = [cut[self._stands[cut]] for cut in self._cuts]
        todo = [shard for shard, standing in enumerate(stand) if len(standing)]

        def measure(shard: int) -> Saved:
            return self._attack_shard(threat, stand[shard], shard)

        for shard, saved, seconds in self._steps.each(threat.name, todo, measure):
            standing = stand[shard]
            if seconds is not None:
                self._clock.worked(len(standing) * threat.passes(self._classes), seconds)
            gone = standing[np.array(saved["fooled"], dtype=np.bool_)]
            self._stands[gone] = False
            for position in gone.tolist():
                self._by[position] = threat.name
            self._tried[index] += len(standing)
            for what in self._counts:
                self._counts[what] += saved[what]
            left = self._clock.left(self._passes_left(index, shard))
            self._tell(threat.name, shard, int(self._stands.sum()), left)

    def _attack_shard(self, threat: Threat, standing: NDArray[np.int64], shard: int) -> Saved:
        batch = self._split.take(standing, device=self._device)
        images = batch.images.float().contiguous()
        found = threat.run(self._model, Batch(images, batch.labels, batch.ids), shard)
        require_inside(found.points, images, threat.ball)
        again = ~predicts(logits_of(self._model, found.points, self._batch_size), batch.labels)
        return {
            "fooled": (found.fooled | again).int().tolist(),
            "blind": int(found.blind.sum()),
            "wavering": int((found.fooled != again).sum()),
        }

    def _passes_left(self, index: int, shard: int) -> int:
        rest = np.concatenate([self._cuts[0][:0], *self._cuts[shard + 1 :]])
        here = int(self._stands[rest].sum()) * self._threats[index].passes(self._classes)
        later = sum(threat.passes(self._classes) for threat in self._threats[index + 1 :])
        return here + int(self._stands.sum()) * later

    def _tell(self, step: str, shard: int, standing: int, left: float | None) -> None:
        n = len(self._split)
        self._steps.tell(ShardDone(step, shard + 1, len(self._cuts), standing, n, left))

    def result(self, label: str | None, attack_id: AttackId | None) -> Evaluation:
        n = len(self._split)
        correct = int(self._clean.sum())
        outcomes = []
        left = correct
        for index, threat in enumerate(self._threats):
            fooled = self._by.count(threat.name)
            left -= fooled
            outcomes.append(Outcome(threat.name, self._tried[index], fooled, Accuracy(left, n)))
        robust = self._stands if self._threats else None
        ids = np.array(self._ids, dtype=np.int64)
        found = Scored(
            sa=Accuracy(correct, n),
            ra=None if robust is None else Accuracy(left, n),
            attack=label,
            attack_id=attack_id,
            images=ids_digest(self._split.origin, ids),
            ids=ids,
            clean=self._clean,
            robust=robust,
            flags=(
                *self._flags,
                *standard_flags(n, shares=self._shares, **self._counts),
                *masking_flags({one.name: one.fooled for one in outcomes}, n),
            ),
        )
        return Evaluation(found, tuple(outcomes), tuple(self._by))
