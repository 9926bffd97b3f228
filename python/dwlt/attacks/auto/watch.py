"""The network as the reference's attacks see it: samples that are fooled cost nothing any more.

The gradient attacks go on with every sample until their last step, and no operation of theirs
mixes samples. So a sample may leave without changing what happens to the others: from then on
its logits are those it was fooled with, and the network sees the rest alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Reach = Callable[[Tensor, Tensor], Tensor]
"""(points, their positions) -> (B,) bool: which of them are allowed as adversarial examples."""


class AllFooled(Exception):  # noqa: N818 - good news, and no error
    """Every sample is fooled: the attack can stop where it is."""


class Watch:
    """Logits for an attack; notes where it fools whom.

    An attack first works on all its samples. When the number of rows changes, it has begun
    another try with those that still stand: row k is the k-th of them. A call that fits neither
    is possible with networks that are random; from then on nothing is noted or left out.

    Args:
        labels: (B,) int64; every sample is classified correctly.
        judged_with_grad: whether the points that count are those that the attack takes gradients
            at (APGD), or those that it only looks at (FAB).
        reach: which points count; all of them where None.
        limit: the most images that the network takes at once.

    Attributes:
        fooled: (B,) bool.
        points: (B, C, H, W), where it was fooled; the clean image for the others.
    """

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        judged_with_grad: bool,
        reach: Reach | None,
        limit: int,
    ) -> None:
        self._predict = Plain(model, limit)
        self._labels = labels
        self._with_grad = judged_with_grad
        self._reach = reach
        self._rows = torch.arange(len(labels), device=labels.device)
        self._final: Tensor | None = None
        self._lost = False
        self.fooled = torch.zeros_like(labels, dtype=torch.bool)
        self.points = images.clone()

    def __call__(self, points: Tensor) -> Tensor:
        """Logits of the rows; those of fooled samples are the ones that they were fooled with."""
        if not self._find_rows(len(points)):
            return self._predict(points)
        live = ~self.fooled[self._rows]
        if live.all():
            logits = fresh = self._predict(points)
        else:
            assert self._final is not None
            fresh = self._predict(points[live])
            where = live.nonzero().flatten()
            logits = self._final[self._rows].index_copy(0, where, fresh)
        if torch.is_grad_enabled() == self._with_grad:
            self._judge(points[live].detach(), fresh.detach(), self._rows[live])
        return logits

    def _find_rows(self, count: int) -> bool:
        if not self._lost and count != len(self._rows):
            standing = (~self.fooled).nonzero().flatten()
            self._lost = count != len(standing)
            self._rows = standing
        return not self._lost

    def _judge(self, points: Tensor, logits: Tensor, rows: Tensor) -> None:
        wrong = logits.max(1)[1] != self._labels[rows]
        if self._reach is not None:
            wrong &= self._reach(points, rows)
        if not wrong.any():
            return
        if self._final is None:
            self._final = logits.new_zeros(len(self._labels), logits.shape[1])
        self._final[rows[wrong]] = logits[wrong]
        self.points[rows[wrong]] = points[wrong]
        self.fooled[rows[wrong]] = True
        if self.fooled.all():
            raise AllFooled


class Plain:
    """Logits of a network, never of more than ``limit`` images at once, and fresh memory.

    Square writes into the logits that it gets, and may ask about no image at all.
    """

    def __init__(self, model: nn.Module, limit: int) -> None:
        self._model = model
        self._limit = limit
        self._classes = 0

    def __call__(self, points: Tensor) -> Tensor:
        if len(points) == 0:
            return points.new_zeros(0, self._classes)
        parts = [self._model(part) for part in torch.split(points, self._limit)]
        logits = parts[0] if len(parts) == 1 else torch.cat(parts)
        self._classes = logits.shape[1]
        return logits.float()
