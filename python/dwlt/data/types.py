"""What the rest of dwlt sees of data: batches, splits, tasks."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dwlt.data import augment as augmentation
from dwlt.data.colour import COLOURS, recolour
from dwlt.data.order import Ints, shuffled
from dwlt.units import derive_seed


@dataclass(frozen=True)
class Batch:
    """Some samples on a device.

    Attributes:
        images: (B, C, H, W) float32 in [0, 1].
        labels: (B,) int64.
        ids: (B,) int64, as in ``Split.ids``.
    """

    images: Tensor
    labels: Tensor
    ids: Tensor


class Split(ABC):
    """The samples of one purpose: train, validation or test.

    Attributes:
        labels: class of each sample, (n,) int64, in the order of ``ids``.
        ids: index of each sample inside the part it comes from, (n,) int64, ascending. Stable:
            neither subsets nor seeds renumber samples.
        origin: the part that ``ids`` count in. Splits of one origin have disjoint ids.
        num_classes: number of classes of the task.
        shape: (C, H, W) of every image.
        levels: the pixel value that stands for 1.0 (255; 16 for the digits).
        waited: seconds that whoever asked for batches has waited for them so far: for decoding,
            cutting and augmenting that was not done ahead, and for copies to the device.
    """

    def __init__(
        self,
        *,
        labels: Ints,
        ids: Ints,
        origin: str,
        num_classes: int,
        shape: tuple[int, int, int],
        levels: int,
    ) -> None:
        self.labels = labels
        self.ids = ids
        self.origin = origin
        self.num_classes = num_classes
        self.shape = shape
        self.levels = levels
        self.waited = 0.0

    def __len__(self) -> int:
        return len(self.ids)

    def steps(self, batch_size: int) -> int:
        """Number of batches that ``train_batches`` yields per epoch."""
        return len(self.step_sizes(batch_size))

    def step_sizes(self, batch_size: int) -> list[int]:
        """Images of each batch that ``train_batches`` yields per epoch."""
        return [high - low for low, high in _cuts(len(self), batch_size, training=True)]

    def train_batches(
        self,
        *,
        batch_size: int,
        seed: int,
        epoch: int,
        augment: str = "none",
        device: torch.device | str = "cpu",
        first: int = 0,
        parts: Callable[[int], Sequence[tuple[int, int]]] | None = None,
    ) -> Iterator[Batch]:
        """One epoch in random order, augmented: a pure function of (seed, epoch, step).

        The last batch may be smaller; it is left out when it would hold a single sample, which
        batch normalisation cannot train on.

        Args:
            batch_size: samples per batch.
            seed: of order and augmentation, together with ``epoch``.
            epoch: counted from 0.
            augment: as in ``TaskSpec.augment``, or one of those, "+" and a name of
                ``dwlt.data.colour``: "crop-flip+imagenet".
            device: where the batches are to be.
            first: begin with this batch; those before it are not decoded.
            parts: of each batch, by its number, the (low, high) that are yielded one after
                another as batches of their own; None: the whole. A sample is the same in each.
        """
        augment, _, colours = augment.partition("+")
        order = shuffled(self.ids, derive_seed(seed, "order", epoch))
        cuts = _cuts(len(self), batch_size, training=True)
        plan = []
        for step in range(first, len(cuts)):
            low, high = cuts[step]
            some = [(0, high - low)] if parts is None else parts(step)
            plan += [order[low + start : low + end] for start, end in some]
        found = self._run(plan, augment, derive_seed(seed, "augment", epoch), torch.device(device))
        if not colours:
            return found
        ids = [self.ids[where] for where in plan]
        return recoloured(found, ids, colours, derive_seed(seed, "colour", epoch))

    def batches(
        self,
        *,
        batch_size: int,
        device: torch.device | str = "cpu",
        share: tuple[int, int] = (0, 1),
    ) -> Iterator[Batch]:
        """Every sample once, in id order, not augmented.

        Args:
            share: (which, of how many): only every so manieth batch, beginning with this one.
        """
        cuts = _cuts(len(self), batch_size, training=False)
        plan = [np.arange(low, high) for low, high in cuts[share[0] :: share[1]]]
        return self._run(plan, "none", 0, torch.device(device))

    def take(self, positions: Ints, *, device: torch.device | str = "cpu") -> Batch:
        """Some samples by position in id order, not augmented."""
        (batch,) = self._run([positions], "none", 0, torch.device(device))
        return batch

    def _run(
        self, plan: Sequence[Ints], augment: str, seed: int, device: torch.device
    ) -> Iterator[Batch]:
        crops = seed if augment in augmentation.FROM_ORIGINALS else None
        began = time.perf_counter()
        fetched = self._fetch(plan, device, crops)
        for where, pixels in zip(plan, fetched, strict=True):
            ids = self.ids[where]
            batch = Batch(
                augmentation.apply(pixels, ids, augment=augment, seed=seed, levels=self.levels),
                torch.from_numpy(self.labels[where]).to(device),
                torch.from_numpy(ids).to(device),
            )
            self.waited += time.perf_counter() - began
            yield batch
            began = time.perf_counter()

    @abstractmethod
    def _fetch(
        self, plan: Sequence[Ints], device: torch.device, crops: int | None
    ) -> Iterator[Tensor]:
        """The images of each entry of ``plan`` (positions), in order: uint8, on ``device``.

        Args:
            crops: None for whole images; else the seed of the parts that are cut from them, as
                ``dwlt.data.crop`` draws them.
        """


def recoloured(
    batches: Iterator[Batch], ids: Sequence[Ints], colours: str, seed: int
) -> Iterator[Batch]:
    """The batches in other colours; ``ids`` are theirs, so that no device is asked for them."""
    strength = COLOURS[colours]
    for batch, own in zip(batches, ids, strict=True):
        yield replace(
            batch,
            images=recolour(
                batch.images, own, jitter=strength.jitter, lighting=strength.lighting, seed=seed
            ),
        )


def _cuts(count: int, batch_size: int, *, training: bool) -> list[tuple[int, int]]:
    if batch_size < 1:
        raise ValueError(f"batch_size {batch_size} is below 1")
    cuts = [(low, min(low + batch_size, count)) for low in range(0, count, batch_size)]
    if training and len(cuts) > 1 and cuts[-1][1] - cuts[-1][0] == 1 < batch_size:
        cuts.pop()
    return cuts


@dataclass(frozen=True)
class Task:
    """Images of named classes, split three ways.

    Attributes:
        name: the task as it was asked for.
        classes: class names; label i is ``classes[i]``.
        shape: (C, H, W) of every image.
        fingerprint: digest of what the data are: names, labels in order, counts, pixels.
        mean: per-channel mean of the training pixels in [0, 1], for a model's normaliser.
        std: per-channel standard deviation of the same; 1 where a channel is constant.
        notes: choices made for the user that a report should mention, e.g. a test split cut
            from data that come without one.
        readings: those of the notes that say how the user's own files were understood, and what of
            them is not used.
    """

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    train: Split
    validation: Split
    test: Split
    fingerprint: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    notes: tuple[str, ...] = ()
    readings: tuple[str, ...] = ()
