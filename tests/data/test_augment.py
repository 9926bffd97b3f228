"""Augmentation: what it may produce, and what it may depend on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dwlt.data import AUGMENTS
from dwlt.data.augment import FROM_ORIGINALS, apply

IDS = np.arange(40)


def pictures(count: int, channels: int = 3, side: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, channels, side, side), generator=generator).to(torch.uint8)


def test_none_is_the_exact_quotient() -> None:
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    out = apply(images, np.array([0]), augment="none", seed=0, levels=255)
    assert out.flatten().tolist() == [np.float32(v) / np.float32(255) for v in range(256)]
    sixteenths = apply(images.clamp(max=16), np.array([0]), augment="none", seed=0, levels=16)
    assert sixteenths.flatten()[:17].tolist() == [v / 16 for v in range(17)]


@pytest.mark.parametrize(("augment", "mode"), [("shift", "constant"), ("crop-flip", "reflect")])
def test_shifts_are_crops_of_the_padded_image(augment: str, mode: str) -> None:
    """Every result is one of the 5x5 crops (an eighth of 16 is 2), mirrored or not."""
    images = pictures(len(IDS))
    out = apply(images, IDS, augment=augment, seed=1, levels=255)
    padded = F.pad(images.float() / 255, (2, 2, 2, 2), mode=mode)
    seen = set()
    for i in range(len(IDS)):
        crops = {
            (dy, dx, flip): crop.flip(-1) if flip else crop
            for dy in range(5)
            for dx in range(5)
            for flip in ((False, True) if augment == "crop-flip" else (False,))
            for crop in [padded[i, :, dy : dy + 16, dx : dx + 16]]
        }
        matching = [key for key, crop in crops.items() if torch.equal(crop, out[i])]
        assert matching
        seen.add(matching[0])
    assert len(seen) > 15


@pytest.mark.parametrize(("augment", "area"), [("resized-crop", 0.25), ("inception-crop", 0.08)])
def test_resized_crop_of_a_ramp_stays_a_ramp(augment: str, area: float) -> None:
    """Along a linear ramp a crop is again linear, at most as steep, and mirrored half the time."""
    ramp = torch.arange(32, dtype=torch.uint8).repeat(32, 1)[None, None].repeat(40, 1, 1, 1) * 8
    out = apply(ramp, IDS, augment=augment, seed=0, levels=255)
    slope = (out[:, 0, 16, 20] - out[:, 0, 16, 12]) / 8 * 255 / 8
    # The narrowest crop, at aspect 3/4: a quarter of the area is sqrt(3)/4 of the width.
    narrowest = (area * 3 / 4) ** 0.5
    assert slope.abs().max() <= 1 + 1e-4
    assert narrowest - 1e-4 <= slope.abs().min() <= narrowest + 0.25
    assert 8 <= int((slope > 0).sum()) <= 32
    torch.testing.assert_close(out[:, 0, 0], out[:, 0, 31])


@pytest.mark.parametrize("augment", AUGMENTS)
def test_a_sample_is_augmented_alone(augment: str) -> None:
    images = pictures(len(IDS))
    whole = apply(images, IDS, augment=augment, seed=5, levels=255)
    assert whole.dtype == torch.float32
    assert whole.min() >= 0
    assert whole.max() <= 1
    parts = [
        apply(images[p : p + 7], IDS[p : p + 7], augment=augment, seed=5, levels=255)
        for p in range(0, len(IDS), 7)
    ]
    assert torch.equal(whole, torch.cat(parts))
    other = apply(images, IDS, augment=augment, seed=6, levels=255)
    assert torch.equal(whole, other) == (augment in {"none", *FROM_ORIGINALS})


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="mixup"):
        apply(pictures(1), np.array([0]), augment="mixup", seed=0, levels=255)
