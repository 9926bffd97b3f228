"""Cross-entropy on clean images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from dwlt.training.objectives.base import Objective

if TYPE_CHECKING:
    from dwlt.data import Batch


class Standard(Objective):
    """Cross-entropy on clean images."""

    def loss_at(
        self, model: nn.Module, batch: Batch, images: Tensor, seed: int
    ) -> tuple[Tensor, Tensor]:
        logits = model(images).float()
        return self.cross_entropy(logits, batch.labels), logits
