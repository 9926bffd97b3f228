"""The reference package as it is meant to be used, with as many targets as there are classes."""

from __future__ import annotations

import logging
import sys

import torch
from pyautoattack import AutoAttack
from torch import Tensor, nn

NORMS = {"linf": "Linf", "l2": "L2"}


def stands_after(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attacks: list[str],
    *,
    norm: str,
    eps: float,
    seed: int,
    classes: int,
    queries: int,
) -> Tensor:
    """(B,) bool: who is right after these attacks, all samples in one batch."""
    logging.getLogger("auto-attack").setLevel(logging.ERROR)
    suite = AutoAttack(
        model, attacks=attacks, version="custom", norm=NORMS[norm], eps=eps, seed=seed
    )
    suite.apgd.n_restarts = 1
    suite.apgd_targeted.n_target_classes = suite.fab.n_target_classes = min(9, classes - 1)
    suite.square.n_queries = queries
    tracing = sys.gettrace()
    try:
        adversarial, _ = suite.run_standard_evaluation(images, labels, batch_size=len(images))
    finally:
        sys.settrace(tracing)
    with torch.no_grad():
        right: Tensor = model(adversarial).argmax(1) == labels
    return right
