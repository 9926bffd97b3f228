"""From encoded image bytes to uint8 pixels of one shape, without a random number anywhere."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dwlt.errors import DataError
from dwlt.sniff import HEAD, kind_of

Pixels = NDArray[np.uint8]
"""One image: (H, W) grey or (H, W, 3) colour."""

Box = tuple[int, int, int, int, bool]
"""Top, left, height, width in pixels, and whether the part is mirrored left to right."""

Choose = Callable[[int, int], Box]
"""From the height and width of an image, as a viewer shows it, the part that is wanted."""

_CORRUPT_HINT = "replace or remove the image"

_ORIENTATION = 0x0112
# How to turn stored pixels for a viewer, by the value of the EXIF tag (EXIF 2.32, tag 274).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(data: bytes, where: str) -> Pixels:
    """Decode one image file's bytes.

    Raises:
        DataError: the bytes are no image, cut short, or a decompression bomb; the message says
            where they are.
    """
    return _opened(data, where, lambda image: from_pil(image, where))


def decode_crop(data: bytes, where: str, choose: Choose, size: int) -> Pixels:
    """Decode a part of an image at (size, size) pixels, as ``crop_of`` does.

    A JPEG is decoded at a half, a quarter or an eighth of its size where the part has then still
    ``SPARE`` times as many pixels as are wanted: photographs of many megapixels take a fraction of
    the time, and the pixels differ a little (see ``SPARE``).

    Raises:
        DataError: as ``decode``.
    """

    def part(image: Image.Image) -> Pixels:
        full = image.size
        box = None
        if image.format == "JPEG" and min(full) >= 2 * SPARE * size and not _turn(image):
            box = choose(full[1], full[0])
            # Pillow takes the strongest reduction that leaves at least what is asked for.
            side = SPARE * size
            image.draft(None, (full[0] * side // box[3] + 1, full[1] * side // box[2] + 1))
        plain = _plain(image, where)
        if box is None or image.size == full:
            top, left, height, width, mirrored = box or choose(plain.height, plain.width)
            # Cut first: the filter must not see pixels beside the part.
            part = plain.crop((left, top, left + width, top + height))
            return _resized(part, size, (0, 0, width, height), mirrored)
        top, left, height, width, mirrored = box
        x, y = image.size[0] / full[0], image.size[1] / full[1]
        corners = (left * x, top * y, (left + width) * x, (top + height) * y)
        return _resized(plain, size, corners, mirrored)

    return _opened(data, where, part)


SPARE = 2
"""How many times the wanted pixels, along each side, a reduced JPEG must have. Where it does, a
crop differs from that of the whole image by 0.24 of 255 levels on average and 3 at most (textures
at quality 90, `make bench-data`): less than the JPEG's own quantisation."""


def crop_of(pixels: Pixels, choose: Choose, size: int) -> Pixels:
    """The part that ``choose`` names, resized to (size, size): antialiased bilinear, as torchvision
    resizes Pillow images.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.
    """
    top, left, height, width, mirrored = choose(*pixels.shape[:2])
    # Cut first: the filter must not see pixels beside the part.
    part = pixels[top : top + height, left : left + width]
    return _resized(Image.fromarray(part), size, (0, 0, width, height), mirrored)


def _resized(
    image: Image.Image, size: int, box: tuple[float, float, float, float], mirrored: bool
) -> Pixels:
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box))
    return pixels[:, ::-1] if mirrored else pixels


def _opened(data: bytes, where: str, use: Callable[[Image.Image], Pixels]) -> Pixels:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return use(image)
    except DataError:
        raise
    except Exception as error:  # damaged files make decoders raise whatever they stumble over
        reason = _what_it_is(data) or str(error).split("<", 1)[0].strip() or type(error).__name__
        raise DataError(f"{where}: not a readable image ({reason})", hint=_CORRUPT_HINT) from error


def _what_it_is(data: bytes) -> str | None:
    """Files that often stand where an image should be."""
    if not data:
        return "empty"
    return kind_of(data[:HEAD])


def from_pil(image: Image.Image, where: str) -> Pixels:
    """Pixels of a Pillow image as a viewer shows it: grey stays grey, all else becomes RGB.

    Raises:
        DataError: pixels of 32 bits, which have no agreed range.
    """
    return np.array(_plain(image, where), dtype=np.uint8)


def _plain(image: Image.Image, where: str) -> Image.Image:
    """The image as a viewer shows it, in mode L or RGB."""
    image.load()
    image = _upright(image)
    if image.mode in ("L", "RGB"):
        return image
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.array(image).astype(np.uint16) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise DataError(
            f"{where}: 32-bit pixels (mode {image.mode})", hint="store images with 8 or 16 bits"
        )
    return image.convert("L" if image.mode in ("1", "LA", "La") else "RGB")


def _upright(image: Image.Image) -> Image.Image:
    """The image turned and mirrored as its EXIF orientation says."""
    turn = _turn(image)
    return image if turn is None else image.transpose(turn)


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        return _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF data; a viewer shows the pixels as they are stored
        return None


def common_shape(
    images: Iterable[Pixels], *, size: int | None, channels: int | None
) -> tuple[int, int, int]:
    """The (C, H, W) that a task will have, from a look at some of its images.

    One coloured image makes all of them three-channel; the first gives height and width where
    no ``size`` is set.
    """
    first: tuple[int, ...] | None = None
    coloured = False
    for one in images:  # not kept: a few large photographs would fill the memory
        first = first or one.shape[:2]
        coloured = coloured or one.ndim == 3
    if first is None:
        raise ValueError("no image to look at")
    height, width = (size, size) if size is not None else first
    if channels is None:
        channels = 3 if coloured else 1
    return channels, height, width


def fit(
    pixels: Pixels, shape: tuple[int, int, int], *, size: int | None, asked: bool, where: str
) -> Pixels:
    """Bring one image to ``shape``.

    Grey is repeated into three channels. Colour becomes grey by Pillow's luma, if asked for.
    Resizing scales the shorter side to ``size`` (antialiased bilinear) and keeps the centre.

    Args:
        size: the task's size, or None if images are to be taken as they are.
        asked: whether the user set the number of channels.

    Returns:
        (C, H, W) uint8.

    Raises:
        DataError: the image has another height and width and no size is set, or is in colour
            where the images looked at were grey.
    """
    _, height, width = shape
    if pixels.shape[:2] != (height, width):
        if size is None:
            raise DataError(
                f"{where}: {pixels.shape[1]}x{pixels.shape[0]} pixels (width x height) where the "
                f"first image has {width}x{height}",
                hint=f"set `size` to resize all images, e.g. size = {min(height, width)}",
            )
        pixels = _resize(pixels, size)
    return _coloured(pixels, shape, asked=asked, where=where)


def fit_crop(
    load: Callable[[Choose, int], Pixels],
    choose: Choose,
    shape: tuple[int, int, int],
    *,
    asked: bool,
    where: str,
) -> Pixels:
    """A part of one image brought to ``shape``: as ``fit``, with the part for the whole.

    Args:
        load: gives the part at a size, e.g. ``Loader.crop``.

    Raises:
        DataError: the image is in colour where the images looked at were grey.
    """
    return _coloured(load(choose, shape[1]), shape, asked=asked, where=where)


def _coloured(pixels: Pixels, shape: tuple[int, int, int], *, asked: bool, where: str) -> Pixels:
    """(H, W) or (H, W, 3) as (C, H, W)."""
    channels = shape[0]
    if channels == 1 and pixels.ndim == 3:
        if not asked:
            raise DataError(
                f"{where}: a colour image among grey ones", hint="set channels = 3 (or 1)"
            )
        pixels = np.array(Image.fromarray(pixels).convert("L"))
    if pixels.ndim == 2:
        return np.broadcast_to(pixels, shape)
    return pixels.transpose(2, 0, 1)


def _resize(pixels: Pixels, size: int) -> Pixels:
    height, width = pixels.shape[:2]
    scale = size / min(height, width)
    new = (max(size, round(width * scale)), max(size, round(height * scale)))
    image = Image.fromarray(pixels).resize(new, Image.Resampling.BILINEAR)
    left, top = (new[0] - size) // 2, (new[1] - size) // 2
    return np.array(image.crop((left, top, left + size, top + size)))
