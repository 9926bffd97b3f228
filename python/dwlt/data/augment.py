"""Augmentation on the device, vectorised over the batch.

What happens to a sample is a function of (seed, epoch, sample id): the numbers are drawn on the
CPU (a few per sample), so that a CPU and a GPU crop and flip alike, whatever the batch size.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dwlt.data.order import Floats, Ints, uniforms

Augment = Literal[
    "none", "shift", "crop-flip", "resized-crop", "inception-crop", "random-resized-crop"
]
AUGMENTS: tuple[Augment, ...] = (
    "none",
    "shift",
    "crop-flip",
    "resized-crop",
    "inception-crop",
    "random-resized-crop",
)

FROM_ORIGINALS = frozenset({"random-resized-crop"})
"""Augmentations that cut from images as they are stored. A split does that where it decodes (see
``dwlt.data.crop``); here such images are only brought to [0, 1]."""

# Areas and aspect of random resized crops. The aspect and the smallest area of 0.08 are Inception's
# (Szegedy et al., 2015) and torchvision's default. Of a 32x32 image that leaves 9x9 pixels, hence
# a quarter for small images.
CROP_AREAS = {"resized-crop": (0.25, 1.0), "inception-crop": (0.08, 1.0)}
CROP_ASPECT = (3 / 4, 4 / 3)


def apply(images: Tensor, ids: Ints, *, augment: str, seed: int, levels: int) -> Tensor:
    """Augment a batch and bring it to [0, 1].

    Args:
        images: (B, C, H, W) uint8 with values ``0..levels``, on any device.
        ids: (B,) sample ids.
        augment: "none"; "shift" (up to an eighth of each side, zeros come in); "crop-flip" (the
            same shift with the border reflected, mirrored half of the time); "resized-crop" (a
            random rectangle of at least a quarter of the area scaled back to H x W, mirrored half
            of the time); "inception-crop" (the same with at least 8% of the area);
            "random-resized-crop" (as "none": the images were cut where they were decoded).
        seed: already derived for the epoch.

    Returns:
        (B, C, H, W) float32 in [0, 1] on the images' device.

    Raises:
        ValueError: ``augment`` is none of these.
    """
    if augment == "none" or augment in FROM_ORIGINALS:
        return to_unit(images, levels)
    draws = uniforms(seed, ids, 5)
    if augment == "shift":
        return to_unit(_shift(images, draws, reflect=False, mirror=False), levels)
    if augment == "crop-flip":
        return to_unit(_shift(images, draws, reflect=True, mirror=True), levels)
    if augment in CROP_AREAS:
        return _resized_crop(to_unit(images, levels), draws, CROP_AREAS[augment])
    raise ValueError(f"unknown augmentation {augment!r}")


def to_unit(images: Tensor, levels: int) -> Tensor:
    """uint8 ``0..levels`` to float32 in [0, 1]: the correctly rounded quotient."""
    return images.to(torch.float32).div_(levels)


def _shift(images: Tensor, draws: Floats, *, reflect: bool, mirror: bool) -> Tensor:
    """Move each image by whole pixels: one gather, no padded copy."""
    _, _, height, width = images.shape
    rows, rows_inside = _axis(height, draws[:, 0], None, reflect, images.device)
    flips = draws[:, 2] < 0.5 if mirror else None
    columns, columns_inside = _axis(width, draws[:, 1], flips, reflect, images.device)
    batch = torch.arange(len(images), device=images.device)
    moved = images.permute(0, 2, 3, 1)[batch[:, None, None], rows[:, :, None], columns[:, None, :]]
    if not reflect:
        inside = rows_inside[:, :, None] & columns_inside[:, None, :]
        moved = moved * inside[..., None]
    return moved.permute(0, 3, 1, 2).contiguous()


def _axis(
    side: int, draw: Floats, flips: np.ndarray | None, reflect: bool, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Source index of each target pixel along one axis, (B, side), and whether it is inside."""
    reach = max(1, side // 8)
    offset = np.floor(draw * (2 * reach + 1)).astype(np.int64) - reach
    index = np.arange(side)[None, :] + offset[:, None]
    if flips is not None:
        index = np.where(flips[:, None], index[:, ::-1], index)
    inside = (index >= 0) & (index < side)
    if reflect:
        index = side - 1 - np.abs(side - 1 - np.abs(index))
    index = index.clip(0, side - 1)
    return torch.from_numpy(index).to(device), torch.from_numpy(inside).to(device)


def _resized_crop(images: Tensor, draws: Floats, areas: tuple[float, float]) -> Tensor:
    """A rectangle of random area, aspect and place, bilinearly scaled to the whole image."""
    area = areas[0] + draws[:, 0] * (areas[1] - areas[0])
    low, high = np.log(CROP_ASPECT)
    aspect = np.exp(low + draws[:, 1] * (high - low))
    width = np.minimum(np.sqrt(area * aspect), 1.0)
    height = np.minimum(np.sqrt(area / aspect), 1.0)
    # Centres in grid_sample's coordinates, where the image spans [-1, 1].
    x = (2 * draws[:, 2] - 1) * (1 - width)
    y = (2 * draws[:, 3] - 1) * (1 - height)
    mirror = np.where(draws[:, 4] < 0.5, -1.0, 1.0)
    theta = np.zeros((len(draws), 2, 3), dtype=np.float32)
    theta[:, 0, 0], theta[:, 0, 2] = width * mirror, x
    theta[:, 1, 1], theta[:, 1, 2] = height, y
    grid = F.affine_grid(
        torch.from_numpy(theta).to(images.device), list(images.shape), align_corners=False
    )
    out = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return out.clamp_(0.0, 1.0)  # interpolation rounds, and attacks assume the exact range
