"""Cross-entropy on images perturbed by several steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from dwlt.training.objectives.base import Perturbing

if TYPE_CHECKING:
    from dwlt.data import Batch


class Adversarial(Perturbing):
    """Adversarial training by projected gradient descent (Madry et al., arXiv 1706.06083,
    section 2.1): the outer minimisation is taken at the images that the inner one found."""

    def loss_at(
        self, model: nn.Module, batch: Batch, images: Tensor, seed: int
    ) -> tuple[Tensor, Tensor]:
        logits = model(images).float()
        return self.cross_entropy(logits, batch.labels), logits
