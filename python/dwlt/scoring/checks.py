"""What holds on every batch that is scored: mode and precision, pixels, bounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dwlt.attacks import ball_around, module_flags
from dwlt.errors import DataError, DwltError
from dwlt.spec import AttackSpec

PIXEL_SLACK = 1e-6
"""Rounding that pixels may show outside [0, 1]; beyond it they were not scaled, or normalised."""


def require_pixels(images: Tensor) -> None:
    """Refuse images that are not in [0, 1].

    Raises:
        DataError: a pixel is outside by more than ``PIXEL_SLACK``, or not a number.
    """
    low, high = (float(bound) for bound in torch.aminmax(images))
    # Written so that NaN, which compares false with everything, is refused too.
    if not (low >= -PIXEL_SLACK and high <= 1 + PIXEL_SLACK):
        raise DataError(
            f"pixels reach from {low:g} to {high:g}, outside [0, 1]",
            hint="give images scaled to [0, 1]; normalisation is a layer of the model",
        )


def require_inside(points: Tensor, images: Tensor, attack: AttackSpec) -> None:
    """Make sure that adversarial examples are within eps of their images and in [0, 1].

    Raises:
        DwltError: one is not, by more than rounding.
    """
    excess = float(ball_around(images, attack).excess(points).max())
    low, high = (float(bound) for bound in torch.aminmax(points))
    inside = excess <= 1e-6 + 1e-5 * attack.eps.value
    # Written so that NaN, which compares false with everything, is refused too.
    if not (inside and low >= -PIXEL_SLACK and high <= 1 + PIXEL_SLACK):
        raise DwltError(
            f"{attack.label} left its bounds: {excess:g} beyond eps, pixels {low:g} to {high:g}"
        )


@contextmanager
def measuring(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation mode, float32 and no trace: modes and random state are restored at the end."""
    cuda = device.type == "cuda"
    tf32 = torch.backends.cudnn.allow_tf32
    with (
        module_flags(model),
        torch.random.fork_rng(devices=[device] if cuda else []),
        torch.autocast(device.type, enabled=False),
    ):
        try:
            # Convolutions on recent GPUs would else round their inputs to 10 bits of mantissa.
            torch.backends.cudnn.allow_tf32 = False
            model.eval()
            yield
        finally:
            torch.backends.cudnn.allow_tf32 = tf32
