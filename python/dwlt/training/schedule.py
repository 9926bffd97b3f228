"""Learning rate as a pure function of the step: nothing to save, nothing to lose."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable

import numpy as np

from dwlt.spec import TrainSpec


def lr_at(spec: TrainSpec, step: int, steps_per_epoch: int) -> float:
    """The learning rate of optimiser step ``step`` (counted from 0 over the whole training).

    During warm-up it rises linearly and reaches ``spec.lr`` with the last warm-up step (the first
    step is not 0, which would waste it); the schedule runs over the steps that follow.
    """
    warm = spec.warmup * steps_per_epoch
    if step < warm:
        return spec.lr * ((step + 1) / warm)
    return spec.lr * SCHEDULES[spec.schedule](spec, step, steps_per_epoch)


def _constant(spec: TrainSpec, step: int, steps_per_epoch: int) -> float:
    return 1.0


def _cosine(spec: TrainSpec, step: int, steps_per_epoch: int) -> float:
    """Half a cosine from 1 at the end of warm-up towards 0, which the step after the last has."""
    start = spec.warmup * steps_per_epoch
    length = max(1, spec.epochs * steps_per_epoch - start)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - start) / length)))


def _multistep(spec: TrainSpec, step: int, steps_per_epoch: int) -> float:
    """``gamma`` to the number of milestones passed; milestones count epochs from the start."""
    return spec.gamma ** bisect_right(sorted(spec.milestones), step // steps_per_epoch)


def _linear(spec: TrainSpec, step: int, steps_per_epoch: int) -> float:
    """Straight lines between ``points``; before the first and after the last, their own share.

    The rate of a step is that of its end, so that a line that begins at 0 wastes no step (as in the
    code of Wong et al., arXiv 2001.03994, for CIFAR-10 and ImageNet).
    """
    epochs, shares = zip(*spec.points, strict=True)
    return float(np.interp((step + 1) / steps_per_epoch, epochs, shares))


SCHEDULES: dict[str, Callable[[TrainSpec, int, int], float]] = {
    "constant": _constant,
    "cosine": _cosine,
    "multistep": _multistep,
    "linear": _linear,
}
"""Factor on ``spec.lr`` after warm-up, by the name in a spec."""
