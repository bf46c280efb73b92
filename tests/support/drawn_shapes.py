"""Small drawn pictures with one to three plain shapes on noise, as the algorithms that find things in images train on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

RECTANGLE, ELLIPSE, TRIANGLE = range(3)
_COLOURS = ((240, 60, 60), (60, 240, 60), (60, 60, 240))
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom lie behind the last one."""


@dataclass(frozen=True, slots=True)
class Picture:
    """``objects``: (shape, box) each; ``classes``: an image of 0 for the background and 1 + shape."""

    image: Image.Image
    objects: tuple[tuple[int, Box], ...]
    classes: Image.Image

    def encoded(self, kind: str = "PNG") -> bytes:
        """The image as a file."""
        return encoded(self.image, kind)

    def labels(self) -> bytes:
        """The classes as a PNG file."""
        return encoded(self.classes, "PNG")

    def annotation(self, name: str) -> bytes:
        """As DG:object-detection has it; ``name`` is the image's file."""
        found = [
            {"class_id": shape, "left": left, "top": top, "width": right - left, "height": bottom - top}
            for shape, (left, top, right, bottom) in self.objects
        ]
        size = {"width": self.image.width, "height": self.image.height, "depth": 3}
        return json.dumps({"file": name, "image_size": [size], "annotations": found}).encode()

    def label(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """As MXNet's detection records have it."""
        side = np.array([self.image.width, self.image.height] * 2, float)
        rows = [[shape, *(np.array(box) / side)] for shape, box in self.objects]
        return np.array([2, 5, *np.ravel(rows)], np.float32)


def draw(count: int, side: int, seed: int, most: int = 3, shapes: int = 3, *, plain: bool = False) -> list[Picture]:
    """``count`` square pictures with up to ``most`` shapes that do not touch; ``plain``: each shape has a colour of its own."""
    random = np.random.default_rng(seed)
    return [_drawn(side, int(random.integers(1, most + 1)), shapes, plain, random) for _ in range(count)]


def encoded(image: Image.Image, kind: str) -> bytes:
    """A file of the kind PNG or JPEG."""
    buffer = BytesIO()
    image.save(buffer, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return buffer.getvalue()


def _drawn(side: int, wanted: int, shapes: int, plain: bool, random: np.random.Generator) -> Picture:
    image = Image.fromarray(random.integers(0, 90, (side, side, 3), dtype=np.uint8))
    classes = Image.new("L", (side, side))
    objects: list[tuple[int, Box]] = []
    for _ in range(wanted):
        width, height = (int(random.integers(side // 4, side // 2)) for _ in range(2))
        left, top = int(random.integers(0, side - width)), int(random.integers(0, side - height))
        shape, box = int(random.integers(shapes)), (left, top, left + width, top + height)
        if not any(_touch(box, other) for _, other in objects):
            colour = _COLOURS[shape] if plain else tuple(int(value) for value in random.integers(120, 255, 3))
            _fill(image, shape, box, colour)
            _fill(classes, shape, box, shape + 1)
            objects.append((shape, box))
    return Picture(image, tuple(objects), classes)


def _touch(one: Box, other: Box) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _fill(image: Image.Image, shape: int, box: Box, colour: Any) -> None:
    left, top, right, bottom = box[0], box[1], box[2] - 1, box[3] - 1
    pen = ImageDraw.Draw(image)
    if shape == RECTANGLE:
        pen.rectangle((left, top, right, bottom), fill=colour)
    elif shape == ELLIPSE:
        pen.ellipse((left, top, right, bottom), fill=colour)
    else:
        pen.polygon([(left, bottom), (right, bottom), ((left + right) // 2, top)], fill=colour)
