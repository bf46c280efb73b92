"""Small images whose class can be seen: plain colours with noise, and scikit-learn's digits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sagewright_algorithms.vision import records

COLOURS = ((220, 40, 40), (40, 200, 40), (40, 40, 220))


def encoded(pixels: NDArray[Any], kind: str = "PNG") -> bytes:
    """An array (height, width, 3) of 0 to 255 as a file."""
    buffer = BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def coloured(count: int, side: int, seed: int = 0) -> tuple[list[NDArray[Any]], list[int]]:
    """Noisy red, green and blue squares in turn, and their classes."""
    random = np.random.default_rng(seed)
    classes = [number % len(COLOURS) for number in range(count)]
    noise = random.normal(0, 30, (count, side, side, 3))
    return [np.clip(np.array(COLOURS[kind]) + noise[number], 0, 255) for number, kind in enumerate(classes)], classes


def digits(rows: NDArray[Any], side: int = 28) -> list[NDArray[Any]]:
    """Rows of load_digits() as images."""
    pictures = [Image.fromarray((row.reshape(8, 8) * 15.9375).astype(np.uint8)) for row in rows]
    return [np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR).convert("RGB")) for picture in pictures]


def recorded(images: Sequence[NDArray[Any]], labels: Iterable[Any], kind: str = "PNG") -> bytes:
    """A .rec file; a label is a number or a list."""
    return b"".join(
        records.pack(records.ImageRecord(np.atleast_1d(np.array(label, np.float32)), number, encoded(image, kind)))
        for number, (image, label) in enumerate(zip(images, labels, strict=True))
    )
