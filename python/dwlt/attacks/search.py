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
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dwlt.attacks.geometry import Ball, ball_around
from dwlt.attacks.guard import frozen
from dwlt.spec import AttackSpec
from dwlt.units import derive_seed

LossFn = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class SearchResult:
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
) -> SearchResult:
    """Attack every sample in evaluation mode; the outcome of one does not depend on the others.

    The clean image is not judged, only points that the search reaches.

    Args:
        model: logits of images in [0, 1]; left as it was found.
        images: (B, C, H, W) float32 in [0, 1].
        labels: (B,) int64.
        attack: norm, eps, step length, steps and restarts; which points are judged (``iterate``).
        seed: of the random starts, together with each sample's id and the restart's number.
        ids: (B,) int64.
        loss_fn: (logits, labels) -> scalar, a sum over samples that do not touch one another.
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
            walk = _Walk.begin(images[left], labels[left], attack, stream, ids[left])
            tried = run(model, walk, attack, loss_fn)
            points[left], fooled[left] = tried.points, tried.fooled
            blind[left] |= tried.blind
    return SearchResult(points, fooled, blind)


@dataclass
class _Walk:
    """One try at every sample: where its points are, and what is known of them.

    ``left`` are the positions of the samples that still take part; ``points``, ``labels`` and
    ``ball`` have one row for each of those.
    """

    ball: Ball
    points: Tensor
    labels: Tensor
    left: Tensor
    found: SearchResult

    @classmethod
    def begin(
        cls, images: Tensor, labels: Tensor, attack: AttackSpec, seed: int, ids: Tensor
    ) -> _Walk:
        ball = ball_around(images, attack)
        points = ball.start(seed, ids) if attack.random_start else images
        none = torch.zeros_like(labels, dtype=torch.bool)
        left = torch.arange(len(labels), device=labels.device)
        return cls(ball, points, labels, left, SearchResult(points.clone(), none, none.clone()))

    def leave(self, stands: Tensor) -> None:
        """Take fooled samples out of the batch: their points are final."""
        gone = self.left[~stands]
        self.found.points[gone], self.found.fooled[gone] = self.points[~stands], True
        self.ball, self.points = self.ball.take(stands), self.points[stands]
        self.labels, self.left = self.labels[stands], self.left[stands]


def _walk(
    model: nn.Module,
    walk: _Walk,
    attack: AttackSpec,
    loss_fn: LossFn,
    *,
    judge_all: bool,
) -> SearchResult:
    """Take ``attack.steps`` steps up the loss; judge the last points of those that still take part.

    Args:
        judge_all: judge every point on the way, and let fooled samples leave the batch.
    """
    for step in range(attack.steps):
        gradient, logits = input_gradient(model, walk.points, walk.labels, loss_fn)
        if step == 0:
            walk.found.blind.copy_(_is_zero(gradient))
        if judge_all:
            stands = predicts(logits, walk.labels)
            if not stands.all():
                walk.leave(stands)
                gradient = gradient[stands]
                if len(walk.left) == 0:
                    return walk.found
        walk.points = walk.ball.step(walk.points, gradient.nan_to_num_(), attack.step.value)
    with torch.no_grad():
        stands = predicts(model(walk.points), walk.labels)
    walk.found.points[walk.left], walk.found.fooled[walk.left] = walk.points, ~stands
    return walk.found


def _is_zero(gradient: Tensor) -> Tensor:
    return (gradient == 0).flatten(1).all(1)


SEARCHES: dict[str, Callable[..., SearchResult]] = {
    "last": partial(_walk, judge_all=False),
    "any": partial(_walk, judge_all=True),
}
