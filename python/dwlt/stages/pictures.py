"""Pictures for people: a few test images, what the attack makes of them, and the first filters."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from numpy.typing import NDArray

from dwlt.attacks import search
from dwlt.data import Split
from dwlt.models import Model, prunable
from dwlt.results.pictures import Pictures, to_bytes
from dwlt.scoring.checks import measuring
from dwlt.spec import ScoreSpec

FILTERS = 64
"""So many filters of the first layer are kept."""


def take_pictures(
    model: Model,
    split: Split,
    classes: tuple[str, ...],
    spec: ScoreSpec,
    *,
    most: int,
    device: torch.device,
) -> bytes:
    """A file of pictures (``results.pictures``) of a network that has been scored.

    The attack is that of the scoring, with its seed, so that an image that was counted as robust
    is shown as one.

    Args:
        model: on ``device``.
        split: whose images are shown: one of each class before a second one of any.
        most: how many at the most.
    """
    batch = split.take(first_of_classes(split.labels, most), device=device)
    images = batch.images.float()
    with measuring(model, device):
        points = images
        if spec.attack is not None:
            found = search(model, images, batch.labels, spec.attack, seed=spec.seed, ids=batch.ids)
            points = found.points
        with torch.no_grad():
            before, after = model(images).argmax(1), model(points).argmax(1)
    change = points - images
    largest = float(change.abs().max())
    filters = next(iter(prunable(model).values())).detach()[:FILTERS]
    return to_bytes(
        Pictures(
            clean=(images * 255).round().to(torch.uint8).cpu().numpy(),
            change=(change * (127 / (largest or 1))).round().to(torch.int8).cpu().numpy(),
            labels=batch.labels.cpu().numpy(),
            before=before.cpu().numpy(),
            after=after.cpu().numpy(),
            filters=filters.float().cpu().numpy(),
            largest=largest,
            attack="" if spec.attack is None else spec.attack.label,
            classes=classes,
        )
    )


def first_of_classes(labels: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """(m,) positions of at most ``most`` samples, ascending: those first of each class first."""
    seen: Counter[int] = Counter()
    ranks = []
    for position, label in enumerate(labels.tolist()):
        ranks.append((seen[label], position))
        seen[label] += 1
    return np.array(sorted(position for _, position in sorted(ranks)[:most]), dtype=np.int64)
