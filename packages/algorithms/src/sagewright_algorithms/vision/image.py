"""JPEG and PNG bytes as RGB images, and images as arrays of bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from math import ceil

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from sagewright_algorithms.common.errors import ClientError

Pixels = npt.NDArray[np.uint8]
"""Height, width, channels (RGB)."""
Picture = Image.Image
FORMATS = ("JPEG", "PNG")
_MOST_PIXELS = 100_000_000
_ORIENTATION = 0x0112  # EXIF: how the camera was held
_MALFORMED = (OSError, SyntaxError, ValueError, struct.error, EOFError, IndexError, KeyError, TypeError)  # what Pillow raises

Image.MAX_IMAGE_PIXELS = None  # its check warns first, which is an error under -W error; decode() checks by itself
Image.preinit()


class UnreadableImageError(ValueError):
    """The bytes are not a whole JPEG or PNG image."""


def decode(content: bytes | memoryview, shorter: int | None = None, channels: int = 3) -> Picture:
    """An RGB image (grey with ``channels`` 1), upright. Raises UnreadableImageError.

    ``shorter``: the caller will shrink the shorter side to this many pixels, so a large JPEG need not be decoded in full.
    """
    return _read(content, shorter, _as_rgb if channels == 3 else _as_grey)


def decode_labels(content: bytes | memoryview) -> Picture:
    """A single-channel image whose values are class ids (palette indices stay as they are). Raises UnreadableImageError."""
    return _read(content, None, _as_labels)


def decode_file(content: bytes | memoryview, name: str, shorter: int | None = None, channels: int = 3) -> Picture:
    """As ``decode``, of a training file or record that ``name`` says where to find. Raises ClientError."""
    try:
        return decode(content, shorter, channels)
    except UnreadableImageError as error:
        raise ClientError(f"Unable to decode the image {name}: {error}") from error


def pixels(picture: Picture) -> Pixels:
    """Height, width, channels; a single channel keeps its axis."""
    array = np.asarray(picture)
    return array if array.ndim == 3 else array[:, :, None]


def _read(content: bytes | memoryview, shorter: int | None, convert: Callable[[Picture], Picture]) -> Picture:
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > _MOST_PIXELS:
                raise UnreadableImageError(f"it has {width} x {height} pixels, at most {_MOST_PIXELS} are taken")
            if shorter is not None and picture.format == "JPEG":
                scale = min(1.0, shorter / min(width, height))
                picture.draft("RGB", (ceil(width * scale), ceil(height * scale)))
            picture.load()
            upright = ImageOps.exif_transpose(picture) if picture.getexif().get(_ORIENTATION, 1) != 1 else picture
            return convert(upright)
    except UnreadableImageError:
        raise
    except _MALFORMED as error:
        raise UnreadableImageError(f"it is not a whole image of the formats {', '.join(FORMATS)}") from error


def _as_rgb(picture: Picture) -> Picture:
    picture = _eight_bits(picture)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _as_grey(picture: Picture) -> Picture:
    picture = _eight_bits(picture)
    return picture if picture.mode == "L" else picture.convert("L")


def _eight_bits(picture: Picture) -> Picture:
    """16 bits a channel would be clipped at 255 by convert()."""
    if not picture.mode.startswith("I"):
        return picture
    return Image.fromarray((np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8))


def _as_labels(picture: Picture) -> Picture:
    if picture.mode == "1":
        return picture.convert("L").point(lambda value: value and 1)
    if picture.mode not in ("L", "P"):
        raise UnreadableImageError(f"a label image has one channel of 8 bits, not the mode {picture.mode}")
    return Image.fromarray(np.asarray(picture))
