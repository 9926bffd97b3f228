"""One of AutoAttack's attacks on one shard of samples, without a trace outside it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dwlt.attacks.auto.package import build
from dwlt.attacks.auto.watch import AllFooled, Plain, Reach, Watch
from dwlt.attacks.guard import frozen
from dwlt.attacks.search import SearchResult, input_gradient, predicts, summed_cross_entropy
from dwlt.errors import UserError

LEAST_SIDE = 5
"""Pixels per side below which the reference's Square divides by zero in L2."""


def attack_shard(
    name: str,
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    norm: str,
    eps: float,
    seed: int,
    limit: int,
) -> SearchResult:
    """Run one attack on samples that the model classifies correctly.

    The outcome is that of the reference on these samples as one batch with this seed. Random
    state, modes, parameters and their gradients are left as they are.

    Args:
        name: one of ``SUITE``.
        images: (B, C, H, W) float32 in [0, 1], in any memory format.
        norm: "linf" or "l2".
        limit: the most images that the network takes at once.

    Raises:
        UserError: the images are too small for Square in L2.

    Returns:
        SearchResult: ``blind`` tells of gradients of exactly zero at the clean image (APGD-CE
        alone).
    """
    height, width = images.shape[2:]
    if name == "square" and norm == "l2" and min(height, width) < LEAST_SIDE:
        raise UserError(
            f"Square in L2 tiles an image with squares of a fifth of its height; these have "
            f"{height}x{width} pixels",
            hint="leave Square out, or use --norm linf",
        )
    images = images.detach().contiguous()
    cuda = [images.device] if images.device.type == "cuda" else []
    with frozen(model, evaluation=True), torch.random.fork_rng(devices=cuda), torch.no_grad():
        blind = torch.zeros_like(labels, dtype=torch.bool)
        if name == "apgd-ce":
            with torch.enable_grad():
                gradient, _ = input_gradient(model, images, labels, summed_cross_entropy)
            blind = (gradient == 0).flatten(1).all(1)
        predict: Watch | Plain = Plain(model, limit)
        if name != "square":  # which drops fooled samples itself
            predict = Watch(
                model,
                images,
                labels,
                judged_with_grad=name != "fab-t",
                reach=_within(images, norm, eps) if name == "fab-t" else None,
                limit=limit,
            )
        perturb = build(
            name,
            predict,
            norm=norm,
            eps=eps,
            seed=seed,
            classes=model(images[:1]).shape[1],
            device=images.device,
            log=_WarningsDropped(),
        )
        try:
            points = perturb(images.clone(), labels.clone())
        except AllFooled:
            points = images.clone()
        fooled = torch.zeros_like(blind)
        if isinstance(predict, Watch):
            fooled = predict.fooled
            points[fooled] = predict.points[fooled]
        fooled = fooled | ~predicts(Plain(model, limit)(points), labels)
    return SearchResult(points, fooled, blind)


def _within(images: Tensor, norm: str, eps: float) -> Reach:
    """As FAB measures it: it goes beyond eps and comes back as near as it can."""

    def reach(points: Tensor, rows: Tensor) -> Tensor:
        offset = (points - images[rows]).flatten(1)
        length = offset.abs().amax(1) if norm == "linf" else (offset**2).sum(1).sqrt()
        return length <= eps

    return reach


class _WarningsDropped:
    """Drops the warnings about zero gradients that the reference logs; dwlt counts them itself."""

    def warning(self, text: str) -> None:
        pass
