"""Corruptions: worked out by hand where they can be, and the same in every batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dwlt.attacks.corruptions import CORRUPTIONS, SEVERITIES, corrupt

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


def test_seeds_and_severities_draw_apart() -> None:
    images, ids = some((1, 8, 8))
    first = corrupt("gaussian-noise", images, 3, seed=0, ids=ids)
    assert torch.equal(first, corrupt("gaussian-noise", images, 3, seed=0, ids=ids))
    assert not torch.equal(first, corrupt("gaussian-noise", images, 3, seed=1, ids=ids))
