"""What a training step and a scoring pass cost on this device, measured by taking a few.

The steps are those of ``train`` and ``score``, on the task's own images, so whatever these come to
do is in the figure: augmentation, attacks, half precision, waiting for images.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dwlt.data import Batch, Split
from dwlt.data.order import Ints
from dwlt.results.estimate import MemoryFrom
from dwlt.scoring import score
from dwlt.spec import ScoreSpec, TrainSpec
from dwlt.training.job import TrainJob
from dwlt.training.loop import train
from dwlt.training.saved_bytes import SavedBytes
from dwlt.training.slot import CheckpointSlot
from dwlt.training.watch import Watch

FIRST = 2
"""Images of the first step: the fewest that batch normalisation takes where one pixel is left."""

GROWTH = 8
"""How many times more images the next step has, until it has all or takes too long."""

LONG = 0.1
"""Seconds from which on a step is not grown: on a CPU, adversarial steps of large networks take
minutes at their full size, and time there is proportional to the images."""

REPEATS = 4
"""Steps that are timed at the largest size, after one that warms up."""

FEWER = 2
"""The same, where a step takes long."""


@dataclass(frozen=True)
class Cost:
    """What one image costs.

    Attributes:
        forward, backward: passes through the network and back, those of attacks among them.
        seconds: of each timed step, divided by its images.
        images: in each timed step.
        memory: bytes that a pass of so many images as the settings say needs, weights and all;
            None where it could not be measured.
        memory_from: how that was found.
    """

    forward: int
    backward: int
    seconds: tuple[float, ...]
    images: int
    memory: int | None
    memory_from: MemoryFrom


def cost_of_training(
    model: nn.Module, split: Split, spec: TrainSpec, *, augment: str, device: torch.device
) -> Cost:
    """Train the model a few steps, which spoils it, and say what one image costs.

    Raises:
        As ``train``; torch.OutOfMemoryError where not even two images fit.
    """
    at_once = min(spec.batch_size, getattr(spec, "micro_batch", None) or spec.batch_size)

    def take(images: int, steps: int, watch: Watch) -> None:
        shrunk = spec.model_copy(update={"batch_size": images, "epochs": 1, "milestones": ()})
        if getattr(spec, "micro_batch", None) is not None:
            shrunk = shrunk.model_copy(update={"micro_batch": images})
        with tempfile.TemporaryDirectory() as folder:
            job = TrainJob(
                model=model,
                split=split,
                spec=shrunk,
                seed=0,
                device=device,
                slot=CheckpointSlot(Path(folder) / "state", {}),
                augment=augment,
            )

            def end(_epoch: int) -> None:
                # The loop has asked whether to stop before it scores: no step has begun since.
                watch.drop()
                raise _EnoughError

            def stop() -> bool:
                if watch.begin(steps):
                    raise _EnoughError  # a training that is asked to stop would save its state
                return False

            # A folder of few images ends its epoch early; nothing is written for it either.
            while len(watch.seconds) < steps:
                with contextlib.suppress(_EnoughError):
                    train(job, score_epoch=end, stop=stop)

    state = 3 if spec.momentum else 2  # weights, gradients and momentum
    return _measure(model, min(at_once, len(split)), at_once, take, state, device)


def cost_of_scoring(
    model: nn.Module, split: Split, spec: ScoreSpec, *, device: torch.device
) -> Cost:
    """Score a few batches, every image of which is taken for correct, and so is attacked.

    Raises:
        As ``score``.
    """
    model.to(device)
    # A search that drops fooled images ends the sooner the weaker the network is.
    attack = None if spec.attack is None else spec.attack.model_copy(update={"iterate": "last"})

    def take(images: int, steps: int, watch: Watch) -> None:
        agreeing = _Agreeing(split, model, images, steps, watch)
        shrunk = spec.model_copy(update={"batch_size": images, "attack": attack})
        score(model, agreeing, shrunk, device=device, on_batch=lambda done, of: watch.end())

    return _measure(model, min(spec.batch_size, len(split)), spec.batch_size, take, 1, device)


class _EnoughError(Exception):
    """Ends a training of which enough has been seen."""


Take = Callable[[int, int, Watch], None]
"""Take steps of so many images, so many of them, and tell the watch when each begins."""


def _measure(
    model: nn.Module, limit: int, wanted: int, take: Take, state: int, device: torch.device
) -> Cost:
    """Take steps of more and more images, and time the largest.

    Args:
        limit: the most images in a step: the batch, or all there are.
        wanted: as many as pass at once in the real run; memory is that of so many.
        state: how many tensors of a weight's size are kept for each weight.
    """
    cuda = device.type == "cuda"
    memory: dict[int, int] = {}
    images = min(FIRST, limit)
    counted = Watch(model, device)
    with counted.counting(), _memory(model, memory, images, state, device):
        take(images, 1, counted)
    if not cuda and limit > images:
        with _memory(model, memory, 2 * images, state, device):
            take(min(2 * images, limit), 1, Watch(model, device))
    step = counted.seconds[0]
    while images < limit and step < LONG:
        images, watch = min(images * GROWTH, limit), Watch(model, device)
        with _memory(model, memory, images, state, device) if cuda else contextlib.nullcontext():
            take(images, 2, watch)
        step = watch.seconds[-1]
    # Where a step takes long, what has been taken so far was warm-up enough.
    warm, repeats = (1, REPEATS) if step < LONG else (0, FEWER)
    watch = Watch(model, device)
    take(images, warm + repeats, watch)
    timed = watch.seconds[warm : warm + repeats]
    trained = max(1, min(FIRST, limit))
    return Cost(
        forward=round(counted.forward / trained),
        backward=round(counted.backward / trained),
        seconds=tuple(one / images for one in timed),
        images=images,
        memory=_at(memory, wanted),
        memory_from="peak" if cuda else "saved tensors",
    )


@contextlib.contextmanager
def _memory(
    model: nn.Module, found: dict[int, int], images: int, state: int, device: torch.device
) -> Iterator[None]:
    """Note under ``found[images]`` the bytes that the steps inside needed at most."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        yield
        found[images] = torch.cuda.max_memory_allocated(device)
        return
    kept = SavedBytes(model)
    with kept.counting():
        yield
    weights = sum(one.nbytes for one in model.parameters())
    buffers = sum(one.nbytes for one in model.buffers())
    found[images] = state * weights + buffers + kept.most


def _at(memory: dict[int, int], images: int) -> int | None:
    """Bytes at a number of images: measured, or on the line through the two largest measured."""
    if images in memory or len(memory) < 2:
        return memory.get(images)
    (few, less), (many, more) = sorted(memory.items())[-2:]
    return round(more + (more - less) / (many - few) * (images - many))


class _Agreeing(Split):
    """A batch of a split, over and over, with the model's own answers for labels."""

    def __init__(
        self, split: Split, model: nn.Module, images: int, steps: int, watch: Watch
    ) -> None:
        super().__init__(
            labels=split.labels,
            ids=split.ids,
            origin=split.origin,
            num_classes=split.num_classes,
            shape=split.shape,
            levels=split.levels,
        )
        self._split = split
        self._model = model
        self._images = images
        self._steps = steps
        self._watch = watch

    def batches(
        self,
        *,
        batch_size: int,
        device: torch.device | str = "cpu",
        share: tuple[int, int] = (0, 1),
    ) -> Iterator[Batch]:
        left = self._steps
        while True:
            batches = self._split.batches(batch_size=self._images, device=device)
            self._watch.begin(self._steps)
            for batch in batches:
                with self._watch.apart(), torch.no_grad():
                    labels = self._model(batch.images.float()).argmax(1)
                yield replace(batch, labels=labels)
                left -= 1
                if left == 0:
                    return
                self._watch.begin(self._steps)

    def _fetch(
        self, plan: Sequence[Ints], device: torch.device, crops: int | None
    ) -> Iterator[Tensor]:
        return self._split._fetch(plan, device, crops)
