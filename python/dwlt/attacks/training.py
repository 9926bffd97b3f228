"""Perturbed images to train on: a fixed number of steps, no judging, no early exit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dwlt.attacks.geometry import ball_around
from dwlt.attacks.guard import frozen
from dwlt.attacks.search import LossFn, input_gradient, summed_cross_entropy
from dwlt.spec import AttackSpec


def perturb(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: AttackSpec,
    *,
    seed: int,
    ids: Tensor,
    loss_fn: LossFn = summed_cross_entropy,
) -> Tensor:
    """The images moved uphill on the loss inside the attack's ball.

    ``attack.mode`` says in which mode the layers are meanwhile: "eval" leaves BatchNorm's running
    statistics alone; "train" leaves every module in its own mode, so the attack's forward passes
    count towards them, as in most published training code. ``restarts`` and ``iterate`` belong to
    evaluation and are not read here. Runs inside the caller's autocast, if any.

    Args:
        images: (B, C, H, W) float32 in [0, 1].
        labels: (B,) int64.
        seed: of the random start, together with each sample's id.
        ids: (B,) int64.
        loss_fn: (logits, labels) -> scalar, a sum over samples that do not touch one another.

    Returns:
        (B, C, H, W) float32 in [0, 1] within eps of ``images``, detached.
    """
    images = images.detach()
    ball = ball_around(images, attack)
    size = attack.step.value
    points = ball.start(seed, ids) if attack.random_start else images
    with frozen(model, evaluation=attack.mode == "eval"), torch.enable_grad():
        for _ in range(attack.steps):
            gradient, _ = input_gradient(model, points, labels, loss_fn)
            points = ball.step(points, gradient, size)
    return points
