"""Common corruptions computed on the fly: noise, blur, light, digital, at severities 1 to 5.

After Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and
perturbations" (ICLR 2019). The kinds and the numbers per severity are those that its authors
used for CIFAR-10-C (github.com/hendrycks/robustness, ``make_cifar_c.py``); the code is
torchvision's, Pillow's and ours, so that results are near those of CIFAR-10-C and not the same.
Images of another size get the same numbers: blur and pixelation are then in other proportion.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional

from dwlt.attacks.noise import noise
from dwlt.units import derive_seed

SEVERITIES = (1, 2, 3, 4, 5)

Corruption = Callable[[Tensor, int, int, Tensor], Tensor]
"""(images, severity, seed, ids) -> images."""


def corrupt(name: str, images: Tensor, severity: int, *, seed: int, ids: Tensor) -> Tensor:
    """One corruption of every image; what is random in it depends on (seed, id).

    Args:
        name: a key of ``CORRUPTIONS``.
        images: (B, C, H, W) float32 in [0, 1].
        severity: 1 to 5.
        ids: (B,) int64.

    Returns:
        (B, C, H, W) float32 in [0, 1], in steps of 1/255 as an image file would hold it.
    """
    drawn = derive_seed(seed, name, severity)
    return to_bytes(CORRUPTIONS[name](images, severity, drawn, ids)).float() / 255


def to_bytes(images: Tensor) -> Tensor:
    """Images in [0, 1] as uint8, cut off and not rounded, as CIFAR-10-C was made."""
    # Half a thousandth of a step: 0.6 * 255 must not become 152 because of the last bit.
    return (images.clamp(0, 1) * 255 + 5e-4).to(torch.uint8)


def _uniform(images: Tensor, seed: int, ids: Tensor) -> Tensor:
    return noise(seed, ids, tuple(images.shape[1:]), images.device)


def _normal(images: Tensor, seed: int, ids: Tensor) -> Tensor:
    drawn: Tensor = torch.special.ndtri(_uniform(images, seed, ids).clamp(min=2.0**-25))
    return drawn


def _gaussian_noise(images: Tensor, severity: int, seed: int, ids: Tensor) -> Tensor:
    scale = (0.04, 0.06, 0.08, 0.09, 0.10)[severity - 1]
    return images + scale * _normal(images, seed, ids)


def _speckle_noise(images: Tensor, severity: int, seed: int, ids: Tensor) -> Tensor:
    scale = (0.06, 0.1, 0.12, 0.16, 0.2)[severity - 1]
    return images + images * scale * _normal(images, seed, ids)


def _shot_noise(images: Tensor, severity: int, seed: int, ids: Tensor) -> Tensor:
    photons = (500, 250, 100, 75, 50)[severity - 1]
    counted = torch.zeros_like(images)
    # One generator per sample: Poisson numbers must not depend on the batch either.
    for row, number in enumerate(ids.tolist()):
        generator = torch.Generator().manual_seed(derive_seed(seed, number))
        counted[row] = torch.poisson(images[row].cpu() * photons, generator)
    return counted / photons


def _impulse_noise(images: Tensor, severity: int, seed: int, ids: Tensor) -> Tensor:
    share = (0.01, 0.02, 0.03, 0.05, 0.07)[severity - 1]
    drawn = _uniform(images, seed, ids)
    salted = torch.where(drawn < share / 2, 1.0, images)
    return torch.where(drawn >= 1 - share / 2, 0.0, salted)


def _gaussian_blur(images: Tensor, severity: int, seed: int, ids: Tensor) -> Tensor:
    sigma = (0.4, 0.6, 0.7, 0.8, 1.0)[severity - 1]
    reach = min(2 * round(4 * sigma) + 1, 2 * (min(images.shape[2:]) - 1) - 1)
    blurred: Tensor = functional.gaussian_blur(images, [reach, reach], [sigma, sigma])
    return blurred


def _contrast(images: Tensor, severity: int, seed: int, ids: Tensor) -> Tensor:
    factor = (0.75, 0.5, 0.4, 0.3, 0.15)[severity - 1]
    mean = images.mean((2, 3), keepdim=True)
    return (images - mean) * factor + mean


def _brightness(images: Tensor, severity: int, seed: int, ids: Tensor) -> Tensor:
    """Adds to the largest channel and scales the others with it, as in HSV."""
    amount = (0.05, 0.1, 0.15, 0.2, 0.3)[severity - 1]
    value = images.amax(1, keepdim=True)
    raised = (value + amount).clamp(max=1)
    return torch.where(value > 0, images * (raised / value.clamp(min=1e-6)), raised)


def _jpeg(images: Tensor, severity: int, seed: int, ids: Tensor) -> Tensor:
    quality = (80, 65, 58, 50, 40)[severity - 1]
    files = [_through_jpeg(image, quality) for image in to_bytes(images).cpu()]
    return torch.stack(files).to(images.device).float() / 255


def _through_jpeg(pixels: Tensor, quality: int) -> Tensor:
    """One (C, H, W) uint8 image saved and read again."""
    grey = len(pixels) == 1
    array = pixels[0].numpy() if grey else pixels.permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    Image.fromarray(array).save(file, "JPEG", quality=quality)
    with Image.open(file) as opened:
        back = torch.from_numpy(np.array(opened))
    return back[None] if grey else back.permute(2, 0, 1)


def _pixelate(images: Tensor, severity: int, seed: int, ids: Tensor) -> Tensor:
    factor = (0.95, 0.9, 0.85, 0.75, 0.65)[severity - 1]
    height, width = images.shape[2:]
    small = torch.nn.functional.interpolate(
        images, (int(height * factor), int(width * factor)), mode="area"
    )
    return torch.nn.functional.interpolate(small, (height, width), mode="area")


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian-noise": _gaussian_noise,
    "shot-noise": _shot_noise,
    "impulse-noise": _impulse_noise,
    "speckle-noise": _speckle_noise,
    "gaussian-blur": _gaussian_blur,
    "brightness": _brightness,
    "contrast": _contrast,
    "pixelate": _pixelate,
    "jpeg": _jpeg,
}
