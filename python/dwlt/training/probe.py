"""Is a network that trains on one-step attacks still robust to several steps?

Under catastrophic overfitting a network holds against the very step it is trained on and against
nothing else; training accuracy looks better than ever. One held-out batch an epoch shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from dwlt.attacks import module_flags, predicts, search
from dwlt.results import Flag, flag
from dwlt.spec import AttackSpec
from dwlt.units import Eps, derive_seed

if TYPE_CHECKING:
    from dwlt.data import Batch, Split

PROBE_SAMPLES = 128
"""Held-out samples looked at: 10 steps on them cost about as much as a few training steps."""

PROBE_STEPS = 10
GAP = 0.2
"""How far the one-step accuracy must lie above the multi-step one to be called a collapse: more
than four standard errors of the difference on 128 samples. Healthy FGSM training shows a few
points (Wong et al., arXiv 2001.03994, Fig. 2); a collapsed one shows most of its accuracy."""


@dataclass(frozen=True)
class OverfittingProbe:
    """Robust accuracy on held-out samples under the training's own step and under several.

    Attributes:
        one_step: samples not fooled by the attack that the network trains with.
        multi_step: samples not fooled by ``PROBE_STEPS`` steps of eps/4 in the same ball.
        n: samples looked at. Those that are wrong without an attack count as fooled.
        attack: label of the multi-step attack.
    """

    one_step: int
    multi_step: int
    n: int
    attack: str

    def values(self) -> dict[str, Any]:
        """JSON-ready, for the epoch's record."""
        return dict(vars(self))

    def flag(self, epoch: int) -> Flag | None:
        """The warning that this probe calls for, if any."""
        high, low = self.one_step / self.n, self.multi_step / self.n
        # The share guards networks of high accuracy, where 20 points can be an honest difference.
        if high - low <= GAP or low >= high / 2:
            return None
        return flag(
            "catastrophic-overfitting",
            epoch=epoch,
            one_step=high,
            multi_step=low,
            attack=self.attack,
            n=self.n,
        )


class HeldOut:
    """A fixed random batch of a split, fetched when first asked for: most regimes never ask."""

    def __init__(self, split: Split, seed: int, device: torch.device) -> None:
        self._split = split
        self._seed = derive_seed(seed, "held-out")
        self._device = device
        self._batch: Batch | None = None

    def batch(self) -> Batch:
        """Up to ``PROBE_SAMPLES`` samples, the same at every call and after a resume."""
        if self._batch is None:
            # Training order, because a split in id order may begin with a single class.
            size = min(PROBE_SAMPLES, len(self._split))
            shuffled = self._split.train_batches(
                batch_size=size, seed=self._seed, epoch=0, augment="none", device=self._device
            )
            self._batch = next(iter(shuffled))
        return self._batch


def probe_fast(
    model: nn.Module, held_out: Batch, attack: AttackSpec, *, seed: int
) -> OverfittingProbe:
    """Compare the training attack with a multi-step one on one batch, in evaluation mode."""
    quarter = Eps(attack.eps.value / 4) if attack.eps.value else attack.step
    several = attack.model_copy(
        update={"steps": PROBE_STEPS, "step": quarter, "random_start": True, "iterate": "any"}
    )
    one = attack.model_copy(update={"restarts": 1, "iterate": "last"})
    images, labels = held_out.images, held_out.labels
    # In float32, as every number that is judged, whatever the training around this call uses.
    with torch.autocast(held_out.images.device.type, enabled=False):
        fooled = [
            search(model, images, labels, each, seed=seed, ids=held_out.ids).fooled
            for each in (one, several)
        ]
    with module_flags(model), torch.no_grad():
        model.eval()
        clean = predicts(model(images), labels)
    one_step, multi_step = (int((clean & ~each).sum()) for each in fooled)
    return OverfittingProbe(one_step, multi_step, len(labels), several.label)
