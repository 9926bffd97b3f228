"""Decoding: every kind of image file, and what stands in its place."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dwlt.data.pixels import common_shape, decode, fit
from dwlt.errors import DataError

from .make import encoded, picture


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "PPM", "GIF", "WEBP"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pixels_are_those_that_pillow_shows(kind: str, mode: str) -> None:
    data = encoded(picture(1, 2, side=24, mode=mode), kind)
    with Image.open(io.BytesIO(data)) as image:
        grey = image.mode == "L"
        expected = np.array(image if grey else image.convert("RGB"))
    assert np.array_equal(decode(data, "x"), expected)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("1", 1, 255),
        ("LA", (7, 255), 7),
        ("RGBA", (1, 2, 3, 0), (1, 2, 3)),
        ("I;16", 0x1234, 0x12),
    ],
)
def test_other_modes(mode: str, value: object, expected: object) -> None:
    image = Image.new(mode, (3, 2), value)  # type: ignore[arg-type]
    got = decode(encoded(image), "x")
    assert got.dtype == np.uint8
    assert got.shape[:2] == (2, 3)
    assert tuple(np.atleast_1d(got[0, 0])) == tuple(np.atleast_1d(expected))  # type: ignore[call-overload]


def test_cmyk_jpeg_goes_through_pillow() -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    got = decode(encoded(image, "JPEG"), "x")
    assert got.shape == (8, 8, 3)
    assert got[0, 0, 0] > 200 > 60 > got[0, 0, 1]


GOOD = encoded(picture(0, 0, side=32), "JPEG")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello", "cannot identify image file"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "web page"),
        (GOOD[: len(GOOD) // 2], "truncated"),
        (GOOD[:20], "not a readable image"),
        (encoded(picture(0, 0, side=32))[:200], "not a readable image"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        decode(data, "a.parquet, row 3")
    assert str(caught.value).startswith("a.parquet, row 3: ")
    assert caught.value.hint


def test_32_bit_pixels_are_refused() -> None:
    with pytest.raises(DataError, match="32-bit"):
        decode(encoded(Image.new("F", (2, 2)), "TIFF"), "x")


def test_shape_comes_from_the_first_and_colour_from_any() -> None:
    grey, colour = np.zeros((4, 6), np.uint8), np.zeros((4, 6, 3), np.uint8)
    assert common_shape([grey, grey], size=None, channels=None) == (1, 4, 6)
    assert common_shape([grey, colour], size=None, channels=None) == (3, 4, 6)
    assert common_shape([grey, colour], size=8, channels=1) == (1, 8, 8)


def test_fit_by_hand() -> None:
    def run(
        pixels: object, shape: tuple[int, int, int], *, size: int | None, asked: bool
    ) -> object:
        return fit(np.array(pixels, np.uint8), shape, size=size, asked=asked, where="x").tolist()

    assert run([[1, 2]], (1, 1, 2), size=None, asked=False) == [[[1, 2]]]
    assert run([[1, 2]], (3, 1, 2), size=None, asked=False) == [[[1, 2]]] * 3
    assert run([[[1, 2, 3]]], (3, 1, 1), size=None, asked=False) == [[[1]], [[2]], [[3]]]
    # Luma of pure red: 0.299 * 255 = 76.
    assert run([[[255, 0, 0]]], (1, 1, 1), size=None, asked=True) == [[[76]]]
    # 2x6 to 1: halved to 1x3, and the middle one of it is kept; means of 2x2 blocks.
    wide = [[0, 0, 40, 40, 80, 80], [0, 0, 40, 40, 80, 80]]
    assert run(wide, (1, 1, 1), size=1, asked=False) == [[[40]]]


def test_fit_refuses_what_differs() -> None:
    with pytest.raises(DataError, match=r"x: 6x4 pixels .* first image has 5x4") as caught:
        fit(np.zeros((4, 6), np.uint8), (1, 4, 5), size=None, asked=False, where="x")
    assert "size = 4" in str(caught.value.hint)
    with pytest.raises(DataError, match="x: a colour image among grey ones"):
        fit(np.zeros((4, 4, 3), np.uint8), (1, 4, 4), size=None, asked=False, where="x")


UPRIGHT = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
# Where the stored row 0 and column 0 lie in the picture (EXIF 2.32, tag 274).
STORED = {
    1: UPRIGHT,  # top, left
    2: UPRIGHT[:, ::-1],  # top, right
    3: UPRIGHT[::-1, ::-1],  # bottom, right
    4: UPRIGHT[::-1],  # bottom, left
    5: UPRIGHT.T,  # left, top
    6: np.rot90(UPRIGHT, 1),  # right, top
    7: UPRIGHT[::-1, ::-1].T,  # right, bottom
    8: np.rot90(UPRIGHT, -1),  # left, bottom
    9: UPRIGHT,  # no such orientation
}


def oriented(pixels: np.ndarray, orientation: int, kind: str, **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, kind, exif=exif, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_pictures_are_upright(orientation: int, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    grey = STORED[orientation]
    pixels = np.stack([grey, 255 - grey, grey // 2], axis=-1)
    got = decode(oriented(pixels, orientation, kind, **options), "x")
    assert np.array_equal(got[..., 0], UPRIGHT)
    assert np.array_equal(got[..., 1], 255 - UPRIGHT)


@pytest.mark.parametrize("orientation", STORED)
def test_grey_photographs_are_upright(orientation: int) -> None:
    data = oriented(np.kron(STORED[orientation], np.ones((8, 8), np.uint8)), orientation, "JPEG")
    got = decode(data, "x")
    assert got.shape == (32, 48)
    assert np.abs(got[4::8, 4::8].astype(int) - UPRIGHT).max() <= 3


def test_damaged_orientation_leaves_pixels_as_they_are() -> None:
    buffer = io.BytesIO()
    Image.fromarray(UPRIGHT).save(
        buffer, "PNG", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff"
    )
    assert np.array_equal(decode(buffer.getvalue(), "x"), UPRIGHT)


def huge_png(side: int) -> bytes:
    """A file of under 100 bytes that says it is ``side`` pixels high and wide."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


@pytest.mark.parametrize("side", [20_000, 2**31 - 1])
def test_decompression_bombs_are_named(side: int) -> None:
    with pytest.raises(DataError, match=r"x: not a readable image .*pixels") as caught:
        decode(huge_png(side), "x")
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "PPM", "GIF", "WEBP", "TIFF"])
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_refused_or_whole(kind: str) -> None:
    """Cut short anywhere: an error that names the file, or (in a trailer) the same pixels."""
    data = encoded(picture(0, 1, side=16), kind)
    whole = decode(data, "x")
    refused = []
    for length in range(0, len(data), 7):
        try:
            got = decode(data[:length], "x")
        except DataError as error:
            refused.append(str(error))
        else:
            assert np.array_equal(got, whole)
    assert len(refused) > len(data) / 7 * 0.8
    assert all(message.startswith("x: not a readable image") for message in refused)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["PNG", "JPEG", "BMP", "PPM", "GIF", "WEBP", "TIFF"]),
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), min_size=1, max_size=6),
)
@pytest.mark.filterwarnings("ignore")
def test_changed_bytes_never_end_in_another_error(
    kind: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(encoded(picture(0, 1, side=8), kind))
    for where, value in changes:
        data[where % len(data)] = value
    with contextlib.suppress(DataError):
        decode(bytes(data), "x")
