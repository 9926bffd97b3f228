"""Colours of training images, varied on the device: jitter, and light along ImageNet's main axes.

The two that MadryLab's robustness library adds to random crops of ImageNet. Jitter changes
brightness, contrast and saturation in an order drawn for each image, each by a factor between
1 - strength and 1 + strength (torchvision's ``ColorJitter``, without its rounding to 256 levels
in between). Light is AlexNet's: the principal components of ImageNet's pixels, each times its
eigenvalue times a normal number (Krizhevsky et al. 2012, section 4.1). Pixels end in [0, 1] again,
where every attack expects them.
"""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dwlt.data.order import Floats, Ints, uniforms
from dwlt.errors import DataError

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a grey value (ITU-R BT.601), as Pillow and torchvision take."""

EIGENVALUES = (0.2175, 0.0188, 0.0045)
EIGENVECTORS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)
"""Principal components of ImageNet's pixels in [0, 1], a column each: the values that
fb.resnet.torch published and that training codes have taken over since."""


class Colours(NamedTuple):
    """Strength of the jitter, and standard deviation of the light; see ``recolour``."""

    jitter: float
    lighting: float


COLOURS = {"imagenet": Colours(jitter=0.1, lighting=0.05)}
"""By the names of ``TrainSpec.colour``; "imagenet" is what the robustness library does there."""

_ORDERS = np.array(list(permutations(range(3))))


def recolour(images: Tensor, ids: Ints, *, jitter: float, lighting: float, seed: int) -> Tensor:
    """Images in other colours; what happens to a sample is a function of (seed, id).

    Args:
        images: (B, C, H, W) float32 in [0, 1]; C is 1 or 3.
        ids: (B,) sample ids.
        jitter: strength of brightness, contrast and saturation, from 0 to 1.
        lighting: standard deviation of the normal numbers.
        seed: already derived for the epoch.

    Raises:
        DataError: lighting of images that are not red, green and blue.
    """
    draws = uniforms(seed, ids, 10)
    if jitter > 0:
        images = _jittered(images, draws, jitter)
    if lighting > 0:
        if images.shape[1] != 3:
            raise DataError(
                f"lighting needs three colour channels, and these images have {images.shape[1]}",
                hint="leave train.lighting out, or set channels = 3",
            )
        images = (images + _light(draws, lighting).to(images)).clamp(0.0, 1.0)
    return images


def _jittered(images: Tensor, draws: Floats, strength: float) -> Tensor:
    orders = _ORDERS[(draws[:, 0] * len(_ORDERS)).astype(np.int64)]
    factors = 1 + strength * (2 * draws[:, 1:4] - 1)
    for place in range(3):
        kinds = torch.from_numpy(orders[:, place]).to(images.device).view(-1, 1, 1, 1)
        factor = torch.from_numpy(factors[np.arange(len(orders)), orders[:, place]])
        factor = factor.to(images).view(-1, 1, 1, 1)
        grey = _grey(images)
        # Each of the three draws the image towards something: black, its mean grey, its own grey.
        target = torch.where(kinds == 1, grey.mean(dim=(2, 3), keepdim=True), grey)
        target = torch.where(kinds == 0, torch.zeros_like(grey), target)
        images = (target + factor * (images - target)).clamp(0.0, 1.0)
    return images


def _grey(images: Tensor) -> Tensor:
    if images.shape[1] == 1:
        return images
    weights = torch.tensor(LUMA, dtype=images.dtype, device=images.device)
    return (images * weights.view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def _light(draws: Floats, spread: float) -> Tensor:
    """What is added to red, green and blue, (B, 3, 1, 1)."""
    # Box and Muller's method; 1 - u is never 0.
    radius = np.sqrt(-2 * np.log(1 - draws[:, 4:7]))
    normal = spread * radius * np.cos(2 * np.pi * draws[:, 7:10])
    added = (normal * np.array(EIGENVALUES)) @ np.array(EIGENVECTORS).T
    return torch.from_numpy(added).view(-1, 3, 1, 1)
