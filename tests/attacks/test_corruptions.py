"""Corruptions: worked out by hand where they can be, and the same in every batch."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from dwlt.attacks.corruptions import CORRUPTIONS, SEVERITIES, corrupt, to_bytes

SHAPES = [(1, 8, 8), (3, 32, 32), (3, 5, 7)]


def some(shape: tuple[int, int, int], count: int = 6) -> tuple[Tensor, Tensor]:
    images = torch.rand(count, *shape, generator=torch.Generator().manual_seed(0))
    return images, torch.arange(count) * 7 + 3


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_images_stay_images_in_every_batch(name: str, shape: tuple[int, int, int]) -> None:
    images, ids = some(shape)
    before = images.clone()
    for severity in SEVERITIES:
        found = corrupt(name, images, severity, seed=1, ids=ids)
        assert found.shape == images.shape
        assert found.dtype == torch.float32
        assert torch.equal((found * 255).round() / 255, found)
        assert 0 <= float(found.min()) <= float(found.max()) <= 1
        one = corrupt(name, images[2:3], severity, seed=1, ids=ids[2:3])
        # Blurring sums in another order in another batch: one step of 255 at most.
        assert float((one - found[2:3]).abs().max()) <= 1 / 255 + 1e-6
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_higher_severity_changes_more(name: str) -> None:
    # A smooth image: on noise, blur and compression have nothing to keep.
    ramp = torch.linspace(0.1, 0.7, 32)
    image = (ramp[:, None] * 0.5 + ramp[None, :] * 0.5).expand(4, 3, 32, 32).clone()
    image[:, :, 8:14, 8:14] = 0.9
    if name == "pixelate":  # whose squares fall on this one's edges by chance
        image, _ = some((3, 32, 32), 4)
    ids = torch.arange(4)
    changes = [
        float((corrupt(name, image, severity, seed=0, ids=ids) - image).square().mean())
        for severity in (1, 5)
    ]
    assert changes[0] < changes[1]


def test_noise_has_the_scale_it_says() -> None:
    image, ids = torch.full((8, 3, 32, 32), 0.5), torch.arange(8)
    changed = corrupt("gaussian-noise", image, 5, seed=0, ids=ids)
    assert float(changed.std()) == pytest.approx(0.10, rel=0.02)
    changed = corrupt("speckle-noise", image, 5, seed=0, ids=ids)
    assert float(changed.std()) == pytest.approx(0.5 * 0.2, rel=0.02)
    # Poisson numbers of mean 25, divided by 50: variance 25 / 2500.
    changed = corrupt("shot-noise", image, 5, seed=0, ids=ids)
    assert float(changed.var()) == pytest.approx(0.01, rel=0.04)
    changed = corrupt("impulse-noise", image, 5, seed=0, ids=ids)
    assert float((changed == 1).float().mean()) == pytest.approx(0.035, abs=0.004)
    assert float((changed == 0).float().mean()) == pytest.approx(0.035, abs=0.004)


def test_light_by_hand() -> None:
    image = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1)
    ids = torch.zeros(1, dtype=torch.int64)
    # The largest channel rises by 0.2, the others in proportion: times 0.8 / 0.6.
    found = corrupt("brightness", image, 4, seed=0, ids=ids).flatten() * 255
    assert found.tolist() == [int(0.2 * 255 * 4 / 3), int(0.4 * 255 * 4 / 3), 204]
    pair = torch.tensor([0.2, 0.6]).view(1, 1, 1, 2)
    # Around the mean of 0.4 at half the distance: 0.3 and 0.5.
    found = corrupt("contrast", pair, 2, seed=0, ids=ids).flatten() * 255
    assert found.tolist() == [76, 127]


# The numbers of CIFAR-10-C at severities 1 to 5, as its authors published them.
SPREADS = [(0.04, 0.06), (0.06, 0.1), (0.08, 0.12), (0.09, 0.16), (0.10, 0.2)]
LIGHTER, CONTRASTS = (0.05, 0.1, 0.15, 0.2, 0.3), (0.75, 0.5, 0.4, 0.3, 0.15)
PHOTONS, SALT = (500, 250, 100, 75, 50), (0.01, 0.02, 0.03, 0.05, 0.07)
SIGMAS, QUALITIES, ROWS = (0.4, 0.6, 0.7, 0.8, 1.0), (80, 65, 58, 50, 40), (30, 28, 27, 24, 20)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_the_numbers_of_every_severity(severity: int) -> None:
    at = severity - 1

    def found(name: str, images: Tensor) -> Tensor:
        return corrupt(name, images, severity, seed=0, ids=torch.arange(len(images)))

    grey = torch.full((4, 3, 32, 32), 0.5)
    gaussian, speckle = SPREADS[at]
    assert float(found("gaussian-noise", grey).std()) == pytest.approx(gaussian, rel=0.03)
    assert float(found("speckle-noise", grey).std()) == pytest.approx(0.5 * speckle, rel=0.03)
    # Poisson numbers of mean and variance PHOTONS / 2, divided by PHOTONS.
    variance = float(found("shot-noise", grey).var())
    assert variance == pytest.approx(0.5 / PHOTONS[at], rel=0.06)
    salted = found("impulse-noise", grey)
    assert float((salted != salted.median()).float().mean()) == pytest.approx(SALT[at], rel=0.15)

    lighter = found("brightness", torch.full((1, 1, 2, 2), 0.4)) * 255
    assert lighter.flatten().tolist() == [int((0.4 + LIGHTER[at]) * 255 + 1e-6)] * 4
    pair = found("contrast", torch.tensor([0.2, 0.6]).view(1, 1, 1, 2)).flatten() * 255
    apart = 0.2 * CONTRASTS[at]
    assert pair.tolist() == [int((0.4 - apart) * 255 + 1e-6), int((0.4 + apart) * 255 + 1e-6)]

    point = torch.zeros(1, 1, 15, 15)
    point[0, 0, 7, 7] = 1
    # A Gaussian's weights at distance 0 and 1, of a sum that ends at four sigma.
    reach = round(4 * SIGMAS[at])
    weights = [math.exp(-0.5 * (d / SIGMAS[at]) ** 2) for d in range(-reach, reach + 1)]
    middle, beside = (weights[reach + d] / sum(weights) for d in (0, 1))
    blurred = found("gaussian-blur", point)[0, 0] * 255
    assert int(blurred[7, 7]) == int(middle * middle * 255)
    assert int(blurred[7, 8]) == int(middle * beside * 255)

    images, _ = some((3, 32, 32), 1)
    file = io.BytesIO()
    pixels = to_bytes(images)[0].permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITIES[at])
    with Image.open(file) as opened:
        assert np.array_equal(np.array(opened), to_bytes(found("jpeg", images))[0].permute(1, 2, 0))
    small = adaptive_avg_pool2d(images, ROWS[at])
    assert torch.equal(found("pixelate", images), found_bytes(adaptive_avg_pool2d(small, 32)))


def found_bytes(images: Tensor) -> Tensor:
    return to_bytes(images).float() / 255


def test_seeds_and_severities_draw_apart() -> None:
    images, ids = some((1, 8, 8))
    first = corrupt("gaussian-noise", images, 3, seed=0, ids=ids)
    assert torch.equal(first, corrupt("gaussian-noise", images, 3, seed=0, ids=ids))
    assert not torch.equal(first, corrupt("gaussian-noise", images, 3, seed=1, ids=ids))
