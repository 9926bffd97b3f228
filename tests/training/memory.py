"""A split that lives in two tensors, and networks small enough to train in a blink."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from dwlt.data import Batch, Split
from dwlt.units import derive_seed


class _Memory:
    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images = images
        self.labels = labels
        self.ids = torch.arange(len(labels))
        self.origin = "memory"

    def __len__(self) -> int:
        return len(self.labels)

    def steps(self, batch_size: int) -> int:
        return len(self.step_sizes(batch_size))

    def step_sizes(self, batch_size: int) -> list[int]:
        return [len(part) for part in torch.split(torch.arange(len(self)), batch_size) if len(part)]

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
        generator = torch.Generator().manual_seed(derive_seed(seed, "order", epoch))
        order = torch.randperm(len(self), generator=generator)
        for step, batch in list(enumerate(torch.split(order, batch_size)))[first:]:
            for low, high in [(0, len(batch))] if parts is None else parts(step):
                part = batch[low:high]
                yield Batch(
                    self.images[part].to(device),
                    self.labels[part].to(device),
                    self.ids[part].to(device),
                )

    def batches(
        self,
        *,
        batch_size: int,
        device: torch.device | str = "cpu",
        share: tuple[int, int] = (0, 1),
    ) -> Iterator[Batch]:
        for part in torch.split(torch.arange(len(self)), batch_size)[share[0] :: share[1]]:
            yield Batch(self.images[part], self.labels[part], self.ids[part])


def split_of(images: Tensor, labels: Tensor) -> Split:
    """Just what the engine uses of a split."""
    return cast(Split, _Memory(images, labels))


def blobs(count: int = 24, seed: int = 0) -> Split:
    """Three classes of 6x6 images, told apart by which third is bright."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    images = torch.rand(count, 1, 6, 6, generator=generator) * 0.4
    for label in range(3):
        images[labels == label, :, 2 * label : 2 * label + 2] += 0.5
    return split_of(images, labels)


def small_net(seed: int = 0) -> nn.Sequential:
    """Convolution, BatchNorm and dropout: everything that a resume has to restore."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Linear(54, 3),
        )
