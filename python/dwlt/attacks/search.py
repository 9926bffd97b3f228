"""The search of an evaluation: is there a point in the ball that the model gets wrong?

Two answers, and the difference matters when numbers are compared:

- ``last``: a sample counts as fooled when the point after the last step fools the model. This is
  what papers report as PGD-k.
- ``any``: a sample counts as fooled when any point on the way does. Never weaker, and faster,
  because fooled samples leave the batch.

Under both, a sample that one restart has fooled is not tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dwlt.attacks.geometry import ball_around
from dwlt.attacks.guard import frozen
from dwlt.spec import AttackSpec
from dwlt.units import derive_seed

LossFn = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Found:
    """What a search found, one row per sample.

    Attributes:
        points: (B, C, H, W) the point that fools the model, or the last one tried.
        fooled: (B,) bool.
        blind: (B,) bool, the gradient was exactly zero at a start: a search that cannot see
            says nothing about robustness.
    """

    points: Tensor
    fooled: Tensor
    blind: Tensor


def summed_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy in float32, summed: a sample's gradient does not shrink with the batch."""
    return F.cross_entropy(logits.float(), labels, reduction="sum")


def predicts(logits: Tensor, labels: Tensor) -> Tensor:
    """(B,) bool: the largest logit is the label's. Logits that are not finite predict nothing."""
    return (logits.argmax(1) == labels) & logits.isfinite().all(1)


def input_gradient(
    model: nn.Module, points: Tensor, labels: Tensor, loss_fn: LossFn
) -> tuple[Tensor, Tensor]:
    """Gradient of the loss with respect to the input alone, and the logits, both detached."""
    leaf = points.detach().requires_grad_(True)
    logits = model(leaf)
    (gradient,) = torch.autograd.grad(loss_fn(logits, labels), leaf)
    return gradient, logits.detach()


def search(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: AttackSpec,
    *,
    seed: int,
    ids: Tensor,
    loss_fn: LossFn = summed_cross_entropy,
) -> Found:
    """Attack every sample in evaluation mode; the outcome of one does not depend on the others.

    The clean image is not judged, only points that the search reaches. Arguments as for
    ``perturb``.
    """
    images = images.detach()
    points = images.clone()
    fooled = torch.zeros_like(labels, dtype=torch.bool)
    blind = torch.zeros_like(fooled)
    run = SEARCHES[attack.iterate]
    with frozen(model, evaluation=True), torch.enable_grad():
        for restart in range(attack.restarts):
            left = (~fooled).nonzero().flatten()
            if len(left) == 0:
                break
            stream = derive_seed(seed, "restart", restart)
            tried = run(model, images[left], labels[left], attack, stream, ids[left], loss_fn)
            points[left], fooled[left] = tried.points, tried.fooled
            blind[left] |= tried.blind
    return Found(points, fooled, blind)


def _last(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: AttackSpec,
    seed: int,
    ids: Tensor,
    loss_fn: LossFn,
) -> Found:
    ball = ball_around(images, attack)
    size = attack.step.value
    points = ball.start(seed, ids) if attack.random_start else images
    blind = torch.zeros_like(labels, dtype=torch.bool)
    for step in range(attack.steps):
        gradient, _ = input_gradient(model, points, labels, loss_fn)
        if step == 0:
            blind = _is_zero(gradient)
        points = ball.step(points, gradient.nan_to_num_(), size)
    with torch.no_grad():
        fooled = ~predicts(model(points), labels)
    return Found(points, fooled, blind)


def _any(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: AttackSpec,
    seed: int,
    ids: Tensor,
    loss_fn: LossFn,
) -> Found:
    ball = ball_around(images, attack)
    size = attack.step.value
    points = ball.start(seed, ids) if attack.random_start else images
    ended = points.clone()
    fooled = torch.zeros_like(labels, dtype=torch.bool)
    blind = torch.zeros_like(fooled)
    left = torch.arange(len(labels), device=labels.device)
    for step in range(attack.steps):
        gradient, logits = input_gradient(model, points, labels, loss_fn)
        if step == 0:
            blind = _is_zero(gradient)
        stands = predicts(logits, labels)
        if not stands.all():
            out = ~stands
            ended[left[out]], fooled[left[out]] = points[out], True
            left, labels, ball = left[stands], labels[stands], ball.take(stands)
            points, gradient = points[stands], gradient[stands]
            if len(left) == 0:
                return Found(ended, fooled, blind)
        points = ball.step(points, gradient.nan_to_num_(), size)
    with torch.no_grad():
        ended[left], fooled[left] = points, ~predicts(model(points), labels)
    return Found(ended, fooled, blind)


def _is_zero(gradient: Tensor) -> Tensor:
    return (gradient == 0).flatten(1).all(1)


SEARCHES: dict[str, Callable[..., Found]] = {"last": _last, "any": _any}
