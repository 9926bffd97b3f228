"""Cross-entropy on images perturbed by one step, and two remedies against its collapse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dwlt.attacks import ball_around, frozen, input_gradient, noise, summed_cross_entropy
from dwlt.spec import TrainSpec
from dwlt.spec.regimes import FastOptions
from dwlt.training.objectives.adversarial import Adversarial
from dwlt.training.probe import HeldOut, OverfittingProbe, probe_fast
from dwlt.units import derive_seed

if TYPE_CHECKING:
    from dwlt.data import Batch


class Fast(Adversarial):
    """One step from a random start (Wong et al., arXiv 2001.03994), watched for the collapse that
    the same paper calls catastrophic overfitting.

    ``grad_align`` and ``n_fgsm`` are remedies against it; see ``FastOptions``.
    """

    def __init__(self, spec: TrainSpec) -> None:
        super().__init__(spec)
        options = spec.regime_options
        assert isinstance(options, FastOptions)
        self.options = options
        self.second_order = options.grad_align > 0

    def images(self, model: nn.Module, batch: Batch, seed: int) -> Tensor:
        if self.options.n_fgsm:
            return self._beyond(model, batch, seed)
        return super().images(model, batch, seed)

    def loss_at(
        self, model: nn.Module, batch: Batch, images: Tensor, seed: int
    ) -> tuple[Tensor, Tensor]:
        loss, logits = super().loss_at(model, batch, images, seed)
        if self.options.grad_align:
            loss = loss + self.options.grad_align * self._misalignment(model, batch, seed)
        return loss, logits

    def watch(self, model: nn.Module, held_out: HeldOut, seed: int) -> OverfittingProbe | None:
        return probe_fast(model, held_out.batch(), self.attack, seed=seed)

    def _beyond(self, model: nn.Module, batch: Batch, seed: int) -> Tensor:
        """N-FGSM: noise of several eps, one step, and no way back into the ball."""
        images = batch.images
        reach = self.options.n_fgsm * self.attack.eps.value
        drawn = noise(seed, batch.ids, tuple(images.shape[1:]), images.device)
        points = (images + drawn.mul(2).sub(1).mul(reach)).clamp(0, 1)
        with frozen(model, evaluation=self.attack.mode == "eval"), torch.enable_grad():
            gradient, _ = input_gradient(model, points, batch.labels, summed_cross_entropy)
        return points.add(gradient.sign(), alpha=self.attack.step.value).clamp(0, 1)

    def _misalignment(self, model: nn.Module, batch: Batch, seed: int) -> Tensor:
        """GradAlign: one minus the mean cosine of input gradients at images and near them.

        As in the reference code, the gradient at the image is held fixed, samples with a gradient
        of zero are left out, and both passes run in training mode.
        """
        images, labels = batch.images, batch.labels
        ball = ball_around(images, self.attack)
        nearby = ball.start(derive_seed(seed, "grad-align"), batch.ids)
        with frozen(model, evaluation=False), torch.enable_grad():
            here, _ = input_gradient(model, images, labels, summed_cross_entropy)
        leaf = nearby.detach().requires_grad_(True)
        loss = summed_cross_entropy(model(leaf), labels)
        (there,) = torch.autograd.grad(loss, leaf, create_graph=True)
        here, there = here.flatten(1), there.flatten(1)
        seen = ((here != 0).any(1) & (there != 0).any(1)).float()
        # The length is kept off zero, where its derivative is none: such samples are left out.
        cosine = F.cosine_similarity(here, there + (1 - seen)[:, None], dim=1, eps=1e-30)
        return ((1 - cosine) * seen).sum() / seen.sum().clamp(min=1)
