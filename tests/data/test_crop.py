"""Random-resized crops: boxes by hand, torchvision's own rule on the same numbers, the pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import RandomResizedCrop, transforms

from dwlt.data import crop, resample
from dwlt.data.pixels import crop_of, fit


def row(*tries: tuple[float, float], top: float = 0, left: float = 0, flip: float = 0.9) -> Any:
    """The numbers of one sample: (area, aspect) of its tries, the last one repeated."""
    pairs = [*tries, *[tries[-1]] * (crop.TRIES - len(tries))]
    return np.array([number for pair in pairs for number in pair] + [top, left, flip])


def test_a_box_by_hand() -> None:
    """100x100 with area 0.08 + 0.5 * 0.92 = 0.54 at aspect 1: sqrt(5400) is 73.48."""
    assert crop.box(100, 100, row((0.5, 0.5))) == (0, 0, 73, 73, False)
    # 27 rows and columns are left; 0.999 of 28 places is the last one.
    assert crop.box(100, 100, row((0.5, 0.5), top=0.999, left=0.5, flip=0.1)) == (
        *(27, 14, 73, 73),
        True,
    )
    # The narrowest aspect, 3/4: 73.48 * sqrt(3/4) = 63.64 wide, 84.85 high.
    assert crop.box(100, 100, row((0.5, 0.0))) == (0, 0, 85, 64, False)


def test_what_does_not_fit_is_drawn_again() -> None:
    """The whole area at aspect 4/3 is wider than a square; the third try is the whole."""
    wide, whole = (1.0, 1.0), (1.0, 0.5)
    assert crop.box(90, 90, row(wide, wide, whole, (0.0, 0.5))) == (0, 0, 90, 90, False)
    assert crop.box(90, 90, row(wide, (0.0, 0.5)))[2:4] == (25, 25)  # sqrt(0.08) * 90 = 25.46


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (90, 90, (0, 0, 90, 90)),  # an allowed aspect: all of it
        (100, 400, (0, 133, 100, 133)),  # 4/3 of the height, from the middle
        (300, 30, (130, 0, 40, 30)),  # 30 / (3/4) rows
        (1, 50, (0, 24, 1, 1)),
    ],
)
def test_the_centre_is_taken_where_nothing_fits(
    height: int, width: int, expected: tuple[int, ...]
) -> None:
    impossible = (1.0, 1.0) if width <= height * 2 else (1.0, 0.0)
    assert crop.box(height, width, row(impossible))[:4] == expected


class Numbers:
    """Stands for ``torch`` in torchvision's module, and hands out the numbers of one row."""

    def __init__(self, draws: Any) -> None:
        self.tries = iter(draws[: 2 * crop.TRIES].tolist())
        self.places: Iterator[float] = iter(draws[2 * crop.TRIES :].tolist())
        self.log, self.exp, self.tensor = torch.log, torch.exp, torch.tensor

    def empty(self, _: int) -> Any:
        return self

    def uniform_(self, low: Any, high: Any) -> torch.Tensor:
        low, high = (torch.as_tensor(end, dtype=torch.float64) for end in (low, high))
        found: torch.Tensor = low + next(self.tries) * (high - low)
        return found

    def randint(self, low: int, high: int, size: Any) -> torch.Tensor:
        return torch.tensor([low + int(next(self.places) * (high - low))])


def test_boxes_are_those_of_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ``get_params``, fed with the same numbers, over images of many shapes."""
    differing = 0
    shapes = [(375, 500), (500, 375), (32, 32), (20, 200), (97, 100)]
    for height, width in shapes:
        for draws in crop.draws_of(np.arange(60), 7):
            monkeypatch.setattr(transforms, "torch", Numbers(draws))
            theirs = RandomResizedCrop.get_params(
                Image.new("L", (width, height)), [*crop.AREAS], [*crop.ASPECTS]
            )
            ours = crop.box(height, width, draws)[:4]
            # They take the logarithm in float32, which can tip a rounding.
            assert np.abs(np.subtract(theirs, ours)).max() <= 1
            differing += tuple(theirs) != ours
    assert differing <= 2


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**40))
def test_a_box_lies_inside_the_image(height: int, width: int, sample: int) -> None:
    (draws,) = crop.draws_of(np.array([sample]), 3)
    top, left, tall, wide, _ = crop.box(height, width, draws)
    assert 0 <= top <= top + tall <= height
    assert 0 <= left <= left + wide <= width
    assert tall > 0
    assert wide > 0


def test_every_place_is_as_likely() -> None:
    """Areas of 0.08 to 1 have mean 0.54 where all fit; half are mirrored; corners are all met."""
    n = 20_000
    side = np.full(n, 1000)
    boxes = crop.draw(side, side * 0 + 1000, np.arange(n), 1)
    assert 0.47 < boxes.mirrored.mean() < 0.53
    # Half of the room lies above and to the left, up to four standard errors.
    room = 1000 - boxes.heights
    share = (boxes.tops[room > 0] + 0.5) / (room[room > 0] + 1)
    assert abs(share.mean() - 0.5) < 4 * share.std() / n**0.5
    counts = np.bincount((share * 10).astype(int), minlength=10)
    expected = len(share) / 10
    assert float(((counts - expected) ** 2 / expected).sum()) < 33.7  # chi-square, 9 df, p 1e-4


def random_pixels(count: int, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 3, height, width)).astype(np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(32, 32, 224), (28, 28, 32), (8, 8, 8), (33, 17, 64), (1, 5, 9)]
)
def test_enlarging_on_a_device_is_pillows(height: int, width: int, size: int) -> None:
    """Bit for bit, crops and whole images alike."""
    count = 24
    images = random_pixels(count, height, width)
    ids = np.arange(count)
    boxes = crop.draw(np.full(count, height), np.full(count, width), ids, 3)
    cut = resample.cut(torch.from_numpy(images), boxes, size, size)
    whole = resample.enlarge(torch.from_numpy(images), size)
    for draws, image, one, all_of_it in zip(
        crop.draws_of(ids, 3), images, cut.numpy(), whole.numpy(), strict=True
    ):
        plain = image.transpose(1, 2, 0)

        def choose(height: int, width: int, draws: Any = draws) -> Any:
            return crop.box(height, width, draws)

        assert np.array_equal(crop_of(plain, choose, size).transpose(2, 0, 1), one)
        fitted = fit(plain, (3, size, size), size=size, asked=False, where="here")
        assert np.array_equal(fitted, all_of_it)


def test_enlarging_in_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.from_numpy(random_pixels(7, 6, 6))
    side = np.full(7, 6)
    boxes = crop.draw(side, side, np.arange(7), 1)
    whole = resample.cut(images, boxes, 9, 9)
    monkeypatch.setattr(resample, "_ELEMENTS", 3 * 9 * 9 * 2)
    assert torch.equal(resample.cut(images, boxes, 9, 9), whole)
    with pytest.raises(ValueError, match="cannot be reduced"):
        resample.cut(images, boxes, 5, 9)


def test_a_crop_is_torchvisions_pixels() -> None:
    from torchvision.transforms import functional

    image = Image.fromarray(random_pixels(1, 60, 90)[0].transpose(1, 2, 0))
    ours = crop_of(np.array(image), lambda height, width: (5, 10, 40, 50, True), 24)
    theirs = functional.hflip(functional.resized_crop(image, 5, 10, 40, 50, [24, 24]))
    assert np.array_equal(ours, np.array(theirs))
