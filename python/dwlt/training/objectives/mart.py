"""MART: a boosted cross-entropy on perturbed images, and more weight where clean ones are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dwlt.spec import TrainSpec
from dwlt.spec.regimes import MartOptions
from dwlt.training.objectives.base import Perturbing

if TYPE_CHECKING:
    from dwlt.data import Batch

# Constants of the reference code, which keep logarithms finite.
_MARGIN = 1.0001
_UNSURE = 1.0000001
_TINY = 1e-12


class Mart(Perturbing):
    """BCE(p', y) + lambda KL(p || p') (1 - p_y), with p on clean and p' on perturbed images, and
    BCE = -log p'_y - log(1 - max of the other p') (Wang et al., ICLR 2020, section 3.3, eq. 9 to
    11). Label smoothing, where set, is of the first term's cross-entropy alone.
    """

    def __init__(self, spec: TrainSpec) -> None:
        super().__init__(spec)
        options = spec.regime_options
        assert isinstance(options, MartOptions)
        self.options = options

    def images(self, model: nn.Module, batch: Batch, seed: int) -> Tensor:
        return self.images_near(model, batch, seed, self.options.start)

    def loss_at(
        self, model: nn.Module, batch: Batch, images: Tensor, seed: int
    ) -> tuple[Tensor, Tensor]:
        labels = batch.labels
        clean = F.softmax(model(batch.images).float(), 1)
        logits = model(images).float()
        perturbed = F.softmax(logits, 1)
        others = perturbed.scatter(1, labels[:, None], -1.0)
        # By its place and not by its value, so that of equal ones a single one is pushed down.
        rival = perturbed.gather(1, others.argmax(1, keepdim=True))[:, 0]
        boosted = self.cross_entropy(logits, labels) - torch.log(_MARGIN - rival + _TINY).mean()
        own = clean.gather(1, labels[:, None])[:, 0]
        divergence = F.kl_div(torch.log(perturbed + _TINY), clean, reduction="none").sum(1)
        aware = (divergence * (_UNSURE - own)).mean()
        return boosted + self.options.beta * aware, logits
