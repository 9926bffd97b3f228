"""Standard and robust accuracy of a model on a split, under one of dwlt's own attacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dwlt.attacks import predicts, search
from dwlt.errors import DataError
from dwlt.ranks import ALONE, Group
from dwlt.results import Accuracy, AttackId, Flag, Score
from dwlt.results.base import jsonable
from dwlt.results.images import ids_digest
from dwlt.scoring.checks import measuring, require_inside, require_pixels
from dwlt.scoring.masking import standard_flags
from dwlt.spec import AttackSpec, ScoreSpec

if TYPE_CHECKING:
    from dwlt.data import Batch, Split


@dataclass(frozen=True)
class Scored:
    """What ``score`` measured.

    Attributes:
        sa: standard accuracy.
        ra: robust accuracy: clean-correct and not fooled; None when no attack was asked for.
        attack: the attack's label, or None.
        attack_id: its values, or None.
        images: digest of the samples that were scored.
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
    attack_id: AttackId | None = None
    images: str | None = None

    @property
    def counts(self) -> Score:
        """What result files say of it."""
        return Score(self.sa, self.ra, self.attack, self.attack_id, self.images)

    def values(self) -> dict[str, Any]:
        """The same, JSON-ready."""
        found: dict[str, Any] = jsonable(self.counts)
        return found

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
    group: Group = ALONE,
) -> Scored:
    """Standard accuracy on a split, and robust accuracy under ``spec.attack``.

    The outcome of a sample depends on its image, its id and ``spec.seed``, not on the batch it is
    in. RA counts a sample that is correct on its clean image and that neither the search nor a
    second look at the search's final example gets wrong.

    Args:
        model: logits of images in [0, 1]; already on ``device``.
        on_batch: called with (samples done, samples in all) after each batch; what it raises
            ends the scoring and leaves the model restored.
        group: the devices that share the batches; each gets the whole outcome.

    Raises:
        DataError: the split is empty, or a pixel is outside [0, 1] by more than 1e-6.
        DwltError: an adversarial example left its ball (a fault of the attack, never of data).
    """
    where = torch.device(device)
    if len(split) == 0:
        raise DataError("there is nothing to score: the split has no samples")
    tally = _Tally()
    share = (group.rank, group.size)
    with measuring(model, where):
        done = 0
        for batch in split.batches(batch_size=spec.batch_size, device=where, share=share):
            tally.add(_batch_outcome(model, batch, spec))
            done += len(batch.labels)
            if on_batch is not None:
                on_batch(done, len(split))
    tally.gather(group)
    return tally.result(spec.attack, split.origin)


@dataclass(frozen=True)
class _BatchOutcome:
    ids: Tensor
    clean: Tensor
    robust: Tensor | None
    shares: Tensor
    """(B,) bool: the row of logits could be probabilities."""
    blind: Tensor
    wavering: Tensor

    def on_cpu(self) -> _BatchOutcome:
        """The same, to be sent to another process."""
        robust = None if self.robust is None else self.robust.cpu()
        others = (one.cpu() for one in (self.shares, self.blind, self.wavering))
        return _BatchOutcome(self.ids.cpu(), self.clean.cpu(), robust, *others)


def _batch_outcome(model: nn.Module, batch: Batch, spec: ScoreSpec) -> _BatchOutcome:
    images, labels = batch.images.float(), batch.labels
    require_pixels(images)
    with torch.no_grad():
        logits = model(images)
    clean = predicts(logits, labels)
    shares = could_be_shares(logits)
    none = torch.zeros_like(clean)
    if spec.attack is None:
        return _BatchOutcome(batch.ids, clean, None, shares, none, none)
    # A sample that is wrong already needs no attack; RA counts it as not robust.
    which = clean.nonzero().flatten()
    robust, blind, wavering = clean.clone(), none.clone(), none
    if len(which) > 0:
        found = search(
            model, images[which], labels[which], spec.attack, seed=spec.seed, ids=batch.ids[which]
        )
        require_inside(found.points, images[which], spec.attack)
        with torch.no_grad():
            again = ~predicts(model(found.points), labels[which])
        robust[which] = ~(found.fooled | again)
        blind[which] = found.blind
        wavering[which] = found.fooled != again
    return _BatchOutcome(batch.ids, clean, robust, shares, blind, wavering)


def could_be_shares(logits: Tensor) -> Tensor:
    """(B,) bool: the row could be probabilities instead of logits."""
    return (logits >= 0).all(1) & ((logits.sum(1) - 1).abs() < 1e-4)


class _Tally:
    """Outcomes per batch, kept on the device until all are in: one transfer, not one per batch."""

    def __init__(self) -> None:
        self._batches: list[_BatchOutcome] = []

    def add(self, judged: _BatchOutcome) -> None:
        self._batches.append(judged)

    def gather(self, group: Group) -> None:
        """Take in what the other devices have found, in the order of batches."""
        if group.size > 1:
            shares = group.all([judged.on_cpu() for judged in self._batches])
            rounds = zip_longest(*shares)
            self._batches = [one for round_ in rounds for one in round_ if one is not None]

    def result(self, attack: AttackSpec | None, origin: str) -> Scored:
        ids = torch.cat([batch.ids for batch in self._batches]).cpu().numpy()
        clean = self._gather("clean")
        robust = None if attack is None else self._gather("robust")
        n = len(clean)
        return Scored(
            sa=Accuracy(int(clean.sum()), n),
            ra=None if robust is None else Accuracy(int(robust.sum()), n),
            attack=None if attack is None else attack.label,
            attack_id=None if attack is None else AttackId.of(attack),
            # Of the samples that the batches held, not of those that the split lists.
            images=ids_digest(origin, ids),
            ids=ids,
            clean=clean,
            robust=robust,
            flags=tuple(
                standard_flags(
                    n,
                    shares=bool(self._gather("shares").all()),
                    blind=int(self._gather("blind").sum()),
                    wavering=int(self._gather("wavering").sum()),
                )
            ),
        )

    def _gather(self, name: str) -> NDArray[np.bool_]:
        parts = torch.cat([getattr(batch, name) for batch in self._batches]).cpu().numpy()
        return np.asarray(parts, dtype=np.bool_)
