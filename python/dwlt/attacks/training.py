"""Perturbed images to train on: a fixed number of steps, no judging, no early exit."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dwlt.attacks.geometry import ball_around
from dwlt.attacks.guard import frozen
from dwlt.attacks.search import LossFn, input_gradient, summed_cross_entropy
from dwlt.errors import SpecError
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
    start: Tensor | None = None,
) -> Tensor:
    """The images moved uphill on the loss inside the attack's ball.

    ``attack.mode`` says in which mode the layers are meanwhile: "eval" leaves BatchNorm's running
    statistics alone; "train" leaves every module in its own mode, so the attack's forward passes
    count towards them, as in most published training code. ``use_best`` returns the point of
    the highest loss on the way, the start included, of each sample by itself (as the robustness
    library of MadryLab does unless told otherwise); it costs one forward pass more, for the loss
    after the last step. ``restarts`` and ``iterate`` belong to evaluation and are not read here.
    Runs inside the caller's autocast, if any.

    Args:
        images: (B, C, H, W) float32 in [0, 1].
        labels: (B,) int64.
        seed: of the random start, together with each sample's id.
        ids: (B,) int64.
        loss_fn: (logits, labels) -> scalar, a sum over samples that do not touch one another.
        start: the points to start from, (B, C, H, W), instead of those that the attack says; the
            first step brings them into the ball.

    Returns:
        (B, C, H, W) float32 in [0, 1] within eps of ``images``, detached.

    Raises:
        SpecError: the best point is asked for under another loss than the cross-entropy.
    """
    if attack.use_best and loss_fn is not summed_cross_entropy:
        raise SpecError(
            "use_best compares cross-entropies, and this regime's attack climbs another loss",
            hint="leave use_best out of its attack",
        )
    images = images.detach()
    ball = ball_around(images, attack)
    size = attack.step.value
    if start is not None:
        points = start.detach()
    else:
        points = ball.start(seed, ids) if attack.random_start else images
    with frozen(model, evaluation=attack.mode == "eval"), torch.enable_grad():
        best = _Best(points, labels) if attack.use_best else None
        for _ in range(attack.steps):
            gradient, logits = input_gradient(model, points, labels, loss_fn)
            if best is not None:
                best.see(points, logits)
            points = ball.step(points, gradient, size)
        if best is None:
            return points
        with torch.no_grad():
            best.see(points, model(points))
    return best.points


class _Best:
    """Of each sample, the point of the highest cross-entropy that was seen."""

    def __init__(self, points: Tensor, labels: Tensor) -> None:
        self.points = points
        self.labels = labels
        self.losses = torch.full(labels.shape, -torch.inf, device=points.device)

    def see(self, points: Tensor, logits: Tensor) -> None:
        losses = F.cross_entropy(logits.float(), self.labels, reduction="none")
        higher = losses > self.losses
        self.losses = torch.where(higher, losses, self.losses)
        self.points = torch.where(higher.view(-1, 1, 1, 1), points, self.points)
