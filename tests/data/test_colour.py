"""Colours: each change by hand, and what it may depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dwlt.data import colour
from dwlt.data.colour import recolour
from dwlt.errors import DataError

IDS = np.arange(64)


def pictures(channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(len(IDS), channels, 8, 8, generator=generator)


def test_brightness_contrast_and_saturation_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two pixels, red and grey; contrast first with 1.5, then brightness with 0.5, saturation 1.
    image = torch.tensor([[0.6, 0.2], [0.2, 0.2], [0.2, 0.2]]).view(1, 3, 1, 2)
    order = colour._ORDERS.tolist().index([1, 0, 2])
    draws = np.array([[(order + 0.5) / 6, 0.25, 0.75, 0.5, 0, 0, 0, 0, 0, 0]])
    monkeypatch.setattr(colour, "uniforms", lambda seed, ids, columns: draws)
    found = recolour(image, np.array([0]), jitter=1.0, lighting=0, seed=0)
    # Grey values are 0.299 * 0.6 + 0.701 * 0.2 = 0.3196 and 0.2, their mean 0.2598.
    after = [0.2598 + 1.5 * (value - 0.2598) for value in (0.6, 0.2)]
    assert found[0, 0].flatten().tolist() == pytest.approx([0.5 * v for v in after], abs=1e-6)
    assert found[0, 1].flatten().tolist() == pytest.approx([0.5 * after[1]] * 2, abs=1e-6)


def test_saturation_keeps_the_grey_value(monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.tensor([0.6, 0.3, 0.1]).view(1, 3, 1, 1)
    draws = np.array([[0.01, 0.5, 0.5, 0.0, 0, 0, 0, 0, 0, 0]])
    monkeypatch.setattr(colour, "uniforms", lambda seed, ids, columns: draws)
    found = recolour(image, np.array([0]), jitter=1.0, lighting=0, seed=0)
    grey = 0.299 * 0.6 + 0.587 * 0.3 + 0.114 * 0.1
    assert found.flatten().tolist() == pytest.approx([grey] * 3, abs=1e-6)


def test_light_moves_along_the_main_axes() -> None:
    grey = torch.full((len(IDS), 3, 2, 2), 0.5)
    moved = recolour(grey, IDS, jitter=0, lighting=0.05, seed=1) - grey
    # The same for every pixel of an image.
    assert torch.equal(moved, moved[:, :, :1, :1].expand_as(moved))
    axes = np.array(colour.EIGENVECTORS)
    along = moved[:, :, 0, 0].double().numpy() @ np.linalg.inv(axes).T / colour.EIGENVALUES
    assert along.std(axis=0) == pytest.approx(0.05, rel=0.25)
    assert abs(along.mean(axis=0)).max() < 0.02


def test_pixels_stay_pixels_and_draws_belong_to_seed_and_sample() -> None:
    images = pictures()
    found = recolour(images, IDS, jitter=0.9, lighting=0.5, seed=1)
    assert found.min() >= 0
    assert found.max() <= 1
    part = recolour(images[10:20], IDS[10:20], jitter=0.9, lighting=0.5, seed=1)
    assert torch.equal(part, found[10:20])
    other = recolour(images, IDS, jitter=0.9, lighting=0.5, seed=2)
    assert (found != other).flatten(1).any(dim=1).all()


def test_grey_images_have_no_light_but_contrast() -> None:
    found = recolour(pictures(1), IDS, jitter=0.5, lighting=0, seed=0)
    assert found.shape == (len(IDS), 1, 8, 8)
    with pytest.raises(DataError, match="three colour channels"):
        recolour(pictures(1), IDS, jitter=0, lighting=0.1, seed=0)


def test_all_orders_are_drawn() -> None:
    orders = {tuple(order) for order in colour._ORDERS.tolist()}
    assert len(orders) == 6


def test_names_are_those_of_the_spec() -> None:
    from typing import get_args

    from dwlt.spec import TrainSpec

    named = get_args(TrainSpec.model_fields["colour"].annotation)
    assert {*colour.COLOURS, "none"} == set(named)


def test_a_split_recolours_what_it_augments() -> None:
    from dwlt.data import load_task
    from dwlt.spec import TaskSpec
    from dwlt.units import derive_seed

    grey = load_task(TaskSpec(task="digits:0-4", channels=3), data_dir=Path())
    options: dict[str, Any] = {"batch_size": 64, "seed": 3, "epoch": 2}
    plain = next(grey.train.train_batches(augment="shift", **options))
    found = next(grey.train.train_batches(augment="shift+imagenet", **options))
    assert torch.equal(plain.ids, found.ids)
    expected = recolour(
        plain.images,
        plain.ids.numpy(),
        jitter=0.1,
        lighting=0.05,
        seed=derive_seed(3, "colour", 2),
    )
    assert torch.equal(found.images, expected)
    assert not torch.equal(found.images, plain.images)
