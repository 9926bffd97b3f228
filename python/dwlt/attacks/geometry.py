"""The ball around each image in which an attack may move: start, step, project, measure.

A ball is the set of points within ``eps`` of an image (over all its pixels) whose pixels are in
[0, 1]. Nothing here knows a model or a search; a new norm is a class and a line in ``BALLS``.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from dwlt.attacks.noise import noise, normal
from dwlt.spec import AttackSpec


class Ball(Protocol):
    """What a search needs of a norm. Tensors are (B, C, H, W) float32, pixels in [0, 1]."""

    def start(self, seed: int, ids: Tensor) -> Tensor:
        """A random point of the ball per sample, a pure function of (seed, id)."""

    def step(self, points: Tensor, gradient: Tensor, size: float) -> Tensor:
        """Points one step of length ``size`` uphill, projected. ``gradient`` is used up."""

    def excess(self, points: Tensor) -> Tensor:
        """(B,) how far each point lies outside ``eps``; negative inside."""

    def take(self, which: Tensor) -> Ball:
        """The ball around some of the images; ``which`` is a boolean or index tensor."""


class LinfBall:
    """Every pixel may move by ``eps``. A step moves each pixel by ``size``, by the sign."""

    def __init__(self, images: Tensor, eps: float) -> None:
        self.images = images
        self.eps = eps
        # Both bounds in one pair of tensors, so that a step costs a single clamp.
        self._low = (images - eps).clamp_(min=0)
        self._high = (images + eps).clamp_(max=1)

    def start(self, seed: int, ids: Tensor) -> Tensor:
        drawn = noise(seed, ids, tuple(self.images.shape[1:]), self.images.device)
        return drawn.mul_(2).sub_(1).mul_(self.eps).add_(self.images).clamp_(self._low, self._high)

    def step(self, points: Tensor, gradient: Tensor, size: float) -> Tensor:
        return gradient.sign_().mul_(size).add_(points).clamp_(self._low, self._high)

    def excess(self, points: Tensor) -> Tensor:
        offset: Tensor = (points - self.images).flatten(1)
        return offset.abs().amax(1).sub_(self.eps)

    def take(self, which: Tensor) -> LinfBall:
        return LinfBall(self.images[which], self.eps)


class L2Ball:
    """An image may move by ``eps`` in Euclidean length. A step follows the unit gradient.

    Clamping to [0, 1] after the radial projection only brings a point nearer to its image, so
    both conditions hold at once (it is not the nearest such point, and need not be).
    """

    def __init__(self, images: Tensor, eps: float) -> None:
        self.images = images
        self.eps = eps

    def start(self, seed: int, ids: Tensor) -> Tensor:
        # A uniform point on the sphere in d + 2 dimensions, its last two coordinates dropped,
        # is uniform in the ball in d dimensions: no radius to draw, no power to take.
        numel = self.images[0].numel()
        drawn = normal(seed, ids, (numel + 2,), self.images.device)
        inside: Tensor = drawn[:, :numel] / torch.linalg.vector_norm(drawn, dim=1, keepdim=True)
        return inside.view_as(self.images).mul_(self.eps).add_(self.images).clamp_(0, 1)

    def step(self, points: Tensor, gradient: Tensor, size: float) -> Tensor:
        return self._project(_unit(gradient).mul_(size).add_(points))

    def excess(self, points: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm((points - self.images).flatten(1), dim=1)
        return length.sub_(self.eps)

    def take(self, which: Tensor) -> L2Ball:
        return L2Ball(self.images[which], self.eps)

    def _project(self, points: Tensor) -> Tensor:
        offset = points.sub_(self.images)
        length = torch.linalg.vector_norm(offset, dim=(1, 2, 3), keepdim=True)
        shrink = (self.eps / length.clamp_(min=_TINY)).clamp_(max=1)
        return offset.mul_(shrink).add_(self.images).clamp_(0, 1)


BALLS: dict[str, type[LinfBall] | type[L2Ball]] = {"linf": LinfBall, "l2": L2Ball}


def ball_around(images: Tensor, attack: AttackSpec) -> Ball:
    """The ball of ``attack`` around each image."""
    return BALLS[attack.norm](images, attack.eps.value)


_TINY = torch.finfo(torch.float32).tiny


def _unit(gradient: Tensor) -> Tensor:
    """Each sample's gradient scaled to length 1, in place; a zero gradient stays zero.

    It is first scaled by its largest entry: a well-fitted sample's gradient is so small that its
    squares would vanish in float32, and with them the direction.
    """
    gradient.div_(gradient.abs().amax((1, 2, 3), keepdim=True).clamp_(min=_TINY))
    length = torch.linalg.vector_norm(gradient, dim=(1, 2, 3), keepdim=True)
    return gradient.div_(length.clamp_(min=_TINY))
