"""Attacks as an evaluation runs them: a name, a ball, and a search on one shard of samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from dwlt.attacks import SearchResult, predicts, search
from dwlt.attacks.auto import attack_shard, targets
from dwlt.data import Batch
from dwlt.spec import AttackSpec
from dwlt.units import derive_seed


class Threat(Protocol):
    """One attack of an evaluation."""

    @property
    def name(self) -> str:
        """What results call it; no two of one evaluation have the same."""

    @property
    def ball(self) -> AttackSpec:
        """Norm and eps that its points must keep to."""

    def passes(self, classes: int) -> int:
        """Forward and backward passes per sample that it takes at most, for estimates of time."""

    def run(self, model: nn.Module, batch: Batch, shard: int) -> SearchResult:
        """Attack samples that the model classifies correctly.

        Args:
            model: logits of images in [0, 1], in evaluation mode.
            batch: some or all samples of one shard; images (B, C, H, W) float32.
            shard: the shard's number, which random numbers may depend on.

        Returns:
            One row per sample of the batch.
        """


@dataclass(frozen=True)
class Gradient:
    """PGD or FGSM; the noise of a sample depends on (seed, id) alone, so any batch will do."""

    name: str
    ball: AttackSpec
    seed: int
    limit: int = 256

    def passes(self, classes: int) -> int:
        return self.ball.restarts * (2 * self.ball.steps + 1)

    def run(self, model: nn.Module, batch: Batch, shard: int) -> SearchResult:
        return _searched(model, batch, self.ball, self.seed, self.limit)


@dataclass(frozen=True)
class Transferred:
    """PGD or FGSM on another model; its points are then shown to the model in question."""

    name: str
    ball: AttackSpec
    seed: int
    source: nn.Module = field(repr=False)
    limit: int = 256

    def passes(self, classes: int) -> int:
        return self.ball.restarts * (2 * self.ball.steps + 1) + 1

    def run(self, model: nn.Module, batch: Batch, shard: int) -> SearchResult:
        found = _searched(self.source, batch, self.ball, self.seed, self.limit)
        fooled = ~predicts(logits_of(model, found.points, self.limit), batch.labels)
        return SearchResult(found.points, fooled, found.blind)


def _searched(
    model: nn.Module, batch: Batch, ball: AttackSpec, seed: int, limit: int
) -> SearchResult:
    parts = [
        search(model, images, labels, ball, seed=seed, ids=ids)
        for images, labels, ids in zip(
            torch.split(batch.images, limit),
            torch.split(batch.labels, limit),
            torch.split(batch.ids, limit),
            strict=True,
        )
    ]
    return SearchResult(
        torch.cat([part.points for part in parts]),
        torch.cat([part.fooled for part in parts]),
        torch.cat([part.blind for part in parts]),
    )


def logits_of(model: nn.Module, images: Tensor, limit: int) -> Tensor:
    """Logits without a graph, never of more than ``limit`` images at once."""
    with torch.no_grad():
        return torch.cat([model(part) for part in torch.split(images, limit)])


@dataclass(frozen=True)
class AutoAttackPart:
    """One of AutoAttack's four. Its noise depends on (seed, shard): shards are fixed."""

    name: str
    ball: AttackSpec
    seed: int
    limit: int

    def passes(self, classes: int) -> int:
        per_name = {
            "apgd-ce": 200,
            "apgd-t": 200 * targets(classes),
            "fab-t": 300 * targets(classes),
            "square": 5000,
        }
        return per_name[self.name]

    def run(self, model: nn.Module, batch: Batch, shard: int) -> SearchResult:
        return attack_shard(
            self.name,
            model,
            batch.images,
            batch.labels,
            norm=self.ball.norm,
            eps=self.ball.eps.value,
            seed=shard_seed(self.seed, shard),
            limit=self.limit,
        )


def shard_seed(seed: int, shard: int) -> int:
    """The seed of everything that AutoAttack draws on a shard, the same for its four attacks."""
    return derive_seed(seed, "shard", shard)
