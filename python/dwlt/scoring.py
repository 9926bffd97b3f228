"""The one evaluation door: standard and robust accuracy together, each with n and interval.

Every number that a result file calls SA or RA comes from ``score``. It runs in float32 (also
under autocast, and without TF32), in evaluation mode, and leaves no trace: training flags,
gradients, BatchNorm statistics and the global random state are afterwards what they were.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dwlt.attacks import ball_around, module_flags, predicts, search
from dwlt.errors import DataError, DwltError
from dwlt.spec import AttackSpec, ScoreSpec

if TYPE_CHECKING:
    from dwlt.data import Batch, Split

PIXEL_SLACK = 1e-6
"""Rounding that pixels may show outside [0, 1]; beyond it they were not scaled, or normalised."""

_Z95 = 1.959963984540054
"""The 97.5% point of the normal distribution."""


@dataclass(frozen=True)
class Flag:
    """Something about a number that its reader must know. ``code`` is stable, ``text`` is prose."""

    code: str
    text: str

    def values(self) -> dict[str, str]:
        """JSON-ready."""
        return {"code": self.code, "text": self.text}


@dataclass(frozen=True)
class Accuracy:
    """A share of samples, in [0, 1], with its 95% Wilson interval."""

    correct: int
    n: int
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, correct: int, n: int) -> Accuracy:
        """``correct`` of ``n`` samples.

        Raises:
            ValueError: n is 0, or correct is not in 0..n: there is no accuracy of nothing.
        """
        if not 0 <= correct <= n or n == 0:
            raise ValueError(f"{correct} of {n} samples is no accuracy")
        return cls(correct, n, correct / n, *wilson(correct, n))

    def values(self) -> dict[str, float | int]:
        """JSON-ready."""
        return {
            "value": self.value,
            "correct": self.correct,
            "n": self.n,
            "low": self.low,
            "high": self.high,
        }


def wilson(correct: int, n: int, z: float = _Z95) -> tuple[float, float]:
    """The score interval of E. B. Wilson (1927) for a binomial share: fit for 0, n and small n."""
    share, square = correct / n, z * z
    centre = share + square / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    scale = 1 + square / n
    low = 0.0 if correct == 0 else (centre - spread) / scale
    high = 1.0 if correct == n else (centre + spread) / scale
    return low, high


@dataclass(frozen=True)
class Score:
    """What ``score`` measured.

    Attributes:
        sa: standard accuracy.
        ra: robust accuracy: clean-correct and not fooled; None when no attack was asked for.
        attack: the attack's label, or None.
        ids: (n,) int64, the samples in the order they were scored.
        clean: (n,) bool, correct on the clean image.
        robust: (n,) bool, or None.
        flags: what should be known before these numbers are believed.
    """

    sa: Accuracy
    ra: Accuracy | None
    attack: str | None
    ids: NDArray[np.int64]
    clean: NDArray[np.bool_]
    robust: NDArray[np.bool_] | None
    flags: tuple[Flag, ...] = ()

    def values(self) -> dict[str, Any]:
        """The score object of result files."""
        ra = None if self.ra is None else self.ra.values()
        return {"sa": self.sa.values(), "ra": ra, "attack": self.attack}

    def samples(self) -> dict[str, Any]:
        """The per-sample outcomes of result files: ids, clean and robust as 0 and 1."""
        robust = None if self.robust is None else self.robust.astype(int).tolist()
        clean = self.clean.astype(int).tolist()
        return {"ids": self.ids.tolist(), "clean": clean, "robust": robust}


def score(
    model: nn.Module,
    split: Split,
    spec: ScoreSpec,
    *,
    device: torch.device | str,
    on_batch: Callable[[int, int], None] | None = None,
) -> Score:
    """Standard accuracy on a split, and robust accuracy under ``spec.attack``.

    The outcome of a sample depends on its image, its id and ``spec.seed``, not on the batch it is
    in. RA counts a sample that is correct on its clean image and that neither the search nor a
    second look at the search's final example gets wrong.

    Args:
        model: logits of images in [0, 1]; already on ``device``.
        on_batch: called with (samples done, samples in all) after each batch; what it raises
            ends the scoring and leaves the model restored.

    Raises:
        DataError: the split is empty, or a pixel is outside [0, 1] by more than 1e-6.
        DwltError: an adversarial example left its ball (a fault of the attack, never of data).
    """
    where = torch.device(device)
    if len(split) == 0:
        raise DataError("there is nothing to score: the split has no samples")
    tally = _Tally()
    with _measuring(model, where):
        done = 0
        for batch in split.batches(batch_size=spec.batch_size, device=where):
            tally.add(_judge(model, batch, spec))
            done += len(batch.labels)
            if on_batch is not None:
                on_batch(done, len(split))
    return tally.result(spec.attack)


@dataclass(frozen=True)
class _Judged:
    ids: Tensor
    clean: Tensor
    robust: Tensor | None
    shares: Tensor
    """(B,) bool: the row of logits could be probabilities."""
    blind: Tensor
    wavering: Tensor


def _judge(model: nn.Module, batch: Batch, spec: ScoreSpec) -> _Judged:
    images, labels = batch.images.float(), batch.labels
    _require_pixels(images)
    with torch.no_grad():
        logits = model(images)
    clean = predicts(logits, labels)
    shares = (logits >= 0).all(1) & ((logits.sum(1) - 1).abs() < 1e-4)
    none = torch.zeros_like(clean)
    if spec.attack is None:
        return _Judged(batch.ids, clean, None, shares, none, none)
    # A sample that is wrong already needs no attack; RA counts it as not robust.
    which = clean.nonzero().flatten()
    robust, blind, wavering = clean.clone(), none.clone(), none
    if len(which) > 0:
        found = search(
            model, images[which], labels[which], spec.attack, seed=spec.seed, ids=batch.ids[which]
        )
        _require_inside(found.points, images[which], spec.attack)
        with torch.no_grad():
            again = ~predicts(model(found.points), labels[which])
        robust[which] = ~(found.fooled | again)
        blind[which] = found.blind
        wavering[which] = found.fooled != again
    return _Judged(batch.ids, clean, robust, shares, blind, wavering)


class _Tally:
    """Outcomes per batch, kept on the device until all are in: one transfer, not one per batch."""

    def __init__(self) -> None:
        self._batches: list[_Judged] = []

    def add(self, judged: _Judged) -> None:
        self._batches.append(judged)

    def result(self, attack: AttackSpec | None) -> Score:
        ids = torch.cat([batch.ids for batch in self._batches]).cpu().numpy()
        clean = self._gather("clean")
        robust = None if attack is None else self._gather("robust")
        n = len(clean)
        return Score(
            sa=Accuracy.of(int(clean.sum()), n),
            ra=None if robust is None else Accuracy.of(int(robust.sum()), n),
            attack=None if attack is None else attack.label,
            ids=ids,
            clean=clean,
            robust=robust,
            flags=tuple(self._flags(n)),
        )

    def _gather(self, name: str) -> NDArray[np.bool_]:
        parts = torch.cat([getattr(batch, name) for batch in self._batches]).cpu().numpy()
        return np.asarray(parts, dtype=np.bool_)

    def _flags(self, n: int) -> Iterator[Flag]:
        if self._gather("shares").all():
            yield Flag(
                code="probabilities",
                text="the model's outputs sum to 1: they look like probabilities, not logits, "
                "which hides gradients from attacks and can make RA too high",
            )
        if blind := int(self._gather("blind").sum()):
            yield Flag(
                code="zero-gradient",
                text=f"the attack met a gradient of exactly zero on {blind} of {n} samples and "
                "could not search there: RA may be too high",
            )
        if wavering := int(self._gather("wavering").sum()):
            yield Flag(
                code="unsteady",
                text=f"{wavering} of {n} samples changed sides when their final example was scored "
                "again, and count as fooled: the model is random, or they sit on the boundary",
            )


def _require_pixels(images: Tensor) -> None:
    low, high = (float(bound) for bound in torch.aminmax(images))
    # Written so that NaN, which compares false with everything, is refused too.
    if not (low >= -PIXEL_SLACK and high <= 1 + PIXEL_SLACK):
        raise DataError(
            f"pixels reach from {low:g} to {high:g}, outside [0, 1]",
            hint="give images scaled to [0, 1]; normalisation is a layer of the model",
        )


def _require_inside(points: Tensor, images: Tensor, attack: AttackSpec) -> None:
    excess = float(ball_around(images, attack).excess(points).max())
    low, high = (float(bound) for bound in torch.aminmax(points))
    inside = excess <= 1e-6 + 1e-5 * attack.eps.value
    if not (inside and low >= -PIXEL_SLACK and high <= 1 + PIXEL_SLACK):
        raise DwltError(
            f"{attack.label} left its bounds: {excess:g} beyond eps, pixels {low:g} to {high:g}"
        )


@contextmanager
def _measuring(model: nn.Module, device: torch.device) -> Iterator[None]:
    cuda = device.type == "cuda"
    tf32 = torch.backends.cudnn.allow_tf32
    with (
        module_flags(model),
        torch.random.fork_rng(devices=[device] if cuda else []),
        torch.autocast(device.type, enabled=False),
    ):
        try:
            # Convolutions on recent GPUs would else round their inputs to 10 bits of mantissa.
            torch.backends.cudnn.allow_tf32 = False
            model.eval()
            yield
        finally:
            torch.backends.cudnn.allow_tf32 = tf32
