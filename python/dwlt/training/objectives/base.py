"""What every objective is: a loss to minimise on a batch, and what the loop may ask besides.

The loop calls an objective and never asks which regime it trains. It takes the scalar that
``loss`` returns, propagates it back, and steps the optimiser; which images the loss is taken on,
and how many passes through the network that needs, is the objective's own affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import Parameter

from dwlt.attacks import LossFn, normal, perturb, summed_cross_entropy
from dwlt.errors import SpecError
from dwlt.spec import AttackSpec, Options, TrainSpec
from dwlt.training.probe import HeldOut, OverfittingProbe

if TYPE_CHECKING:
    from dwlt.data import Batch


class Objective:
    """One regime's part in the training loop.

    As it stands it is cross-entropy on clean images. A regime of one's own overrides ``images``
    where the loss is not taken on clean ones, ``loss_at`` where it is another; or ``loss`` as a
    whole, where the two cannot be told apart.

    Args:
        spec: the training's settings.

    Attributes:
        replays: optimiser steps on every batch, one after another.
        divides: whether several devices may each take some of a batch's micro-batches. Not where
            state belongs to places in the batch.
        second_order: whether gradients are themselves differentiated. Those of a compiled network
            cannot be, so that it is then not compiled.
        uses_attack: whether the config's training attack comes in ``spec.attack``.
        Options: what ``spec.options`` may hold. For classes of other packages; dwlt's own are
            listed in ``dwlt.spec.regimes``.
    """

    replays: int = 1
    divides: bool = True
    second_order: bool = False
    uses_attack: ClassVar[bool] = True
    Options: ClassVar[type[Options]] = Options

    def __init__(self, spec: TrainSpec) -> None:
        self.spec = spec

    def begin(self, masks: Mapping[Parameter, Tensor]) -> None:
        """Called once before the first step, with the weights in place.

        Args:
            masks: by parameter, of its shape; True is kept. Parameters that are not named train
                whole. An objective that moves weights must leave masked ones at zero.
        """

    def start_epoch(self, epoch: int) -> None:
        """Called before the first step of every epoch, counted from 0."""

    def start_step(self) -> None:
        """Called before the first micro-batch of every optimiser step, replays included."""

    def images(self, model: nn.Module, batch: Batch, seed: int) -> Tensor:
        """The images that the loss of a micro-batch is taken on, (B, C, H, W), detached.

        A pure function of network, batch and seed, taken inside the training's autocast.
        """
        return batch.images

    def loss_at(
        self, model: nn.Module, batch: Batch, images: Tensor, seed: int
    ) -> tuple[Tensor, Tensor]:
        """The loss of one micro-batch on these images; see ``loss``."""
        logits = model(images).float()
        return self.cross_entropy(logits, batch.labels), logits

    def loss(self, model: nn.Module, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
        """The loss of one micro-batch; runs inside the training's autocast.

        Whoever propagates it back calls ``after_backward`` then.

        Args:
            model: logits of images in [0, 1], in training mode.
            batch: clean images (B, C, H, W) float32, labels and ids (B,) int64.
            seed: of what is random here, the same whenever this step is taken again.

        Returns:
            The scalar float32 mean over the samples, and the (B, K) logits whose accuracy the
            epoch's record counts.
        """
        return self.loss_at(model, batch, self.images(model, batch, seed), seed)

    def after_backward(self, model: nn.Module) -> None:
        """Called when the gradients of a micro-batch's loss are there, before the weights move."""

    def watch(self, model: nn.Module, held_out: HeldOut, seed: int) -> OverfittingProbe | None:
        """What held-out samples show at the end of an epoch; None where there is no need."""
        return None

    def state_dict(self) -> dict[str, Tensor]:
        """What has to survive a kill, besides weights and the optimiser's state; by name."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what ``state_dict`` gave. Called only where a checkpoint was found."""

    def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy with the training's label smoothing."""
        return F.cross_entropy(logits, labels, label_smoothing=self.spec.label_smoothing)


class Perturbing(Objective):
    """An objective that needs images perturbed against the network as it is.

    Raises:
        SpecError: the settings name no attack.
    """

    def __init__(self, spec: TrainSpec) -> None:
        super().__init__(spec)
        if spec.attack is None:
            raise SpecError(f"regime {spec.regime!r} needs an attack")
        self.attack: AttackSpec = spec.attack

    def images(self, model: nn.Module, batch: Batch, seed: int) -> Tensor:
        """The images moved up the cross-entropy."""
        return perturb(model, batch.images, batch.labels, self.attack, seed=seed, ids=batch.ids)

    def images_near(
        self,
        model: nn.Module,
        batch: Batch,
        seed: int,
        spread: float,
        loss_fn: LossFn = summed_cross_entropy,
    ) -> Tensor:
        """The images moved up a loss, from normal noise of deviation ``spread`` around them."""
        drawn = normal(seed, batch.ids, tuple(batch.images.shape[1:]), batch.images.device)
        return perturb(
            model,
            batch.images,
            batch.labels,
            self.attack,
            seed=seed,
            ids=batch.ids,
            loss_fn=loss_fn,
            start=batch.images + spread * drawn,
        )
