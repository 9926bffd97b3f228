"""TRADES: cross-entropy on clean images, and how far perturbed ones move the prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dwlt.attacks import frozen
from dwlt.spec import TrainSpec
from dwlt.spec.regimes import TradesOptions
from dwlt.training.objectives.base import Perturbing

if TYPE_CHECKING:
    from dwlt.data import Batch


class Trades(Perturbing):
    """CE(f(x), y) + beta KL(f(x) || f(x')), x' climbing the divergence (Zhang et al.,
    arXiv 1901.08573, section 4.2 and algorithm 1).

    The reference passes the clean images twice in each step; once is enough for the same loss, so
    running statistics move by one batch less here. In l2 it takes the steps of every other attack
    of dwlt, where the reference has an optimiser of its own. The accuracy that is counted is on the
    perturbed images, as in the other regimes that perturb.
    """

    def __init__(self, spec: TrainSpec) -> None:
        super().__init__(spec)
        options = spec.regime_options
        assert isinstance(options, TradesOptions)
        self.options = options

    def images(self, model: nn.Module, batch: Batch, seed: int) -> Tensor:
        with frozen(model, evaluation=self.attack.mode == "eval"), torch.no_grad():
            clean = F.softmax(model(batch.images).float(), 1)

        def divergence(logits: Tensor, labels: Tensor) -> Tensor:
            return F.kl_div(F.log_softmax(logits.float(), 1), clean, reduction="sum")

        return self.images_near(model, batch, seed, self.options.start, divergence)

    def loss_at(
        self, model: nn.Module, batch: Batch, images: Tensor, seed: int
    ) -> tuple[Tensor, Tensor]:
        clean = model(batch.images).float()
        perturbed = model(images).float()
        divergence = F.kl_div(
            F.log_softmax(perturbed, 1), F.softmax(clean, 1), reduction="batchmean"
        )
        loss = self.cross_entropy(clean, batch.labels) + self.options.beta * divergence
        return loss, perturbed
