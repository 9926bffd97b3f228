"""Attacks as an evaluation runs them: a name, a ball, and a search on one shard of samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import nn

from dwlt.attacks import Found, predicts, search
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

    def run(self, model: nn.Module, batch: Batch, shard: int) -> Found:
        """Attack samples that the model classifies correctly, some or all of one shard."""


@dataclass(frozen=True)
class Gradient:
    """PGD or FGSM; the noise of a sample depends on (seed, id) alone."""

    name: str
    ball: AttackSpec
    seed: int

    def passes(self, classes: int) -> int:
        return self.ball.restarts * (2 * self.ball.steps + 1)

    def run(self, model: nn.Module, batch: Batch, shard: int) -> Found:
        return search(model, batch.images, batch.labels, self.ball, seed=self.seed, ids=batch.ids)


@dataclass(frozen=True)
class Transferred:
    """PGD or FGSM on another model; its points are then shown to the model in question."""

    name: str
    ball: AttackSpec
    seed: int
    source: nn.Module = field(repr=False)

    def passes(self, classes: int) -> int:
        return self.ball.restarts * (2 * self.ball.steps + 1) + 1

    def run(self, model: nn.Module, batch: Batch, shard: int) -> Found:
        found = search(
            self.source, batch.images, batch.labels, self.ball, seed=self.seed, ids=batch.ids
        )
        with torch.no_grad():
            fooled = ~predicts(model(found.points), batch.labels)
        return Found(found.points, fooled, found.blind)


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

    def run(self, model: nn.Module, batch: Batch, shard: int) -> Found:
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
