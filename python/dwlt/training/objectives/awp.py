"""Adversarial weight perturbation around any other objective."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from dwlt.spec.regimes import AwpOptions
from dwlt.training.objectives.base import Objective
from dwlt.training.probe import HeldOut, OverfittingProbe

if TYPE_CHECKING:
    from dwlt.data import Batch

_TINY = 1e-20


class WeightPerturbed(Objective):
    """The loss of another objective at the worst weights nearby (Wu et al., arXiv 2004.05884,
    algorithm 1): one step up the loss in every weight tensor, as long as ``awp_gamma`` times that
    tensor's norm.

    The images are found once, at the weights as they are; both the step and the loss are taken on
    them. The reference's proxy network is this same network here, its running statistics put back
    afterwards. Weights go back before the optimiser's step, by copy and not by subtraction, so
    that weight decay sees the weights themselves and no rounding is left behind. As in the
    reference, biases and normalisation layers stay: only parameters named ``weight`` of two
    dimensions and more are moved. Masked weights stay zero.

    Args:
        inner: the objective whose loss it is. One that overrides ``loss`` as a whole looks for
            its images twice, the second time at the perturbed weights.
    """

    def __init__(self, inner: Objective) -> None:
        super().__init__(inner.spec)
        options = inner.spec.regime_options
        assert isinstance(options, AwpOptions)
        self.inner = inner
        self.replays = inner.replays
        self.divides = inner.divides
        self.second_order = inner.second_order
        self._gamma = options.awp_gamma
        self._warmup = options.awp_warmup
        self._active = options.awp_warmup == 0
        self._masks: Mapping[Parameter, Tensor] = {}
        self._own: dict[Parameter, Tensor] = {}

    def begin(self, masks: Mapping[Parameter, Tensor]) -> None:
        self._masks = masks
        self.inner.begin(masks)

    def start_epoch(self, epoch: int) -> None:
        self._active = epoch >= self._warmup
        self.inner.start_epoch(epoch)

    def start_step(self) -> None:
        self.inner.start_step()

    def loss(self, model: nn.Module, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
        inner = self.inner
        if not self._active:
            return inner.loss(model, batch, seed)
        if type(inner).loss is not Objective.loss:
            before = _statistics(model)
            self._climb(model, inner.loss(model, batch, seed)[0], before)
            return inner.loss(model, batch, seed)
        images = inner.images(model, batch, seed)
        before = _statistics(model)
        self._climb(model, inner.loss_at(model, batch, images, seed)[0], before)
        return inner.loss_at(model, batch, images, seed)

    def after_backward(self, model: nn.Module) -> None:
        with torch.no_grad():
            for param, own in self._own.items():
                param.copy_(own)
        self._own = {}
        self.inner.after_backward(model)

    def watch(self, model: nn.Module, held_out: HeldOut, seed: int) -> OverfittingProbe | None:
        return self.inner.watch(model, held_out, seed)

    def state_dict(self) -> dict[str, Tensor]:
        return self.inner.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.inner.load_state_dict(state)

    def _climb(self, model: nn.Module, loss: Tensor, before: dict[Tensor, Tensor]) -> None:
        """Move the weights up the loss, and put the running statistics back."""
        params = [
            param
            for name, param in model.named_parameters()
            if param.requires_grad and param.dim() > 1 and "weight" in name
        ]
        # A weight that the loss does not touch has the gradient zero and is not moved.
        gradients = torch.autograd.grad(loss, params, allow_unused=True, materialize_grads=True)
        with torch.no_grad():
            for buffer, value in before.items():
                buffer.copy_(value)
            for param, gradient in zip(params, gradients, strict=True):
                self._own[param] = param.clone()
                step = gradient * self._masks[param] if param in self._masks else gradient
                param.add_(step * (self._gamma * param.norm() / (step.norm() + _TINY)))
        # Autocast keeps the weights that it has cast, and these are other weights now.
        torch.clear_autocast_cache()


def _statistics(model: nn.Module) -> dict[Tensor, Tensor]:
    """Copies of what forward passes change besides gradients: running means and counts."""
    return {buffer: buffer.clone() for buffer in model.buffers()}
