"""What training does to an image so that no two passes see the same: a wider or narrower view, a mirror, other colours.

The samplers are those of SSD (section 2.2, "Data augmentation"). They are used less often than in MXNet's example, and objects
do not shrink to a quarter: its networks know ImageNet, ours start from nothing.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.vision.image import Picture

_MARGIN_PROBABILITY, _LARGEST_MARGIN = 1 / 3, 2.0
_CROP_PROBABILITY = 1 / 2
_OVERLAPS = (0.1, 0.3, 0.5, 0.7, 0.9)
_TRIALS = 25
_SMALLEST_CROP = 0.3
_FILL = (123, 117, 104)


def augmented(picture: Picture, objects: Floats, random: np.random.Generator) -> tuple[Picture, Floats]:
    """Another view of the image with its objects; the size may change."""
    if random.random() < _MARGIN_PROBABILITY:
        picture, objects = _with_margin(picture, objects, random)
    if random.random() < _CROP_PROBABILITY:
        picture, objects = _cropped(picture, objects, random)
    if random.random() < 0.5:
        picture, objects = ImageOps.mirror(picture), _mirrored(objects)
    return picture, objects


def _with_margin(picture: Picture, objects: Floats, random: np.random.Generator) -> tuple[Picture, Floats]:
    """Anywhere in a larger image of the mean colour."""
    scale = random.uniform(1, _LARGEST_MARGIN)
    width, height = round(picture.width * scale), round(picture.height * scale)
    left, top = int(random.integers(0, width - picture.width + 1)), int(random.integers(0, height - picture.height + 1))
    wide = Image.new("RGB", (width, height), _FILL)
    wide.paste(picture, (left, top))
    view = (-left / picture.width, -top / picture.height, width / picture.width, height / picture.height)
    return wide, _seen(objects, view)


def _cropped(picture: Picture, objects: Floats, random: np.random.Generator) -> tuple[Picture, Floats]:
    """A part that overlaps an object by a drawn measure; the objects whose centre is in it remain."""
    needed = float(random.choice(_OVERLAPS))
    for _ in range(_TRIALS):
        area, aspect = random.uniform(_SMALLEST_CROP, 1), np.sqrt(random.uniform(0.5, 2))
        width, height = min(1.0, area * aspect), min(1.0, area / aspect)
        left, top = random.uniform(0, 1 - width), random.uniform(0, 1 - height)
        view = (left, top, width, height)
        if len(objects) and _largest_overlap(objects, view) < needed:
            continue
        inside = _centred_in(objects, view)
        if len(objects) and not inside.any():
            continue
        sides = (picture.width, picture.height)
        box = [round(part * sides[place % 2]) for place, part in enumerate((left, top, left + width, top + height))]
        if box[2] > box[0] and box[3] > box[1]:
            return picture.crop((box[0], box[1], box[2], box[3])), _seen(objects[inside], view)
    return picture, objects


View = tuple[float, float, float, float]
"""Left, top, width and height in fractions of the image."""


def _largest_overlap(objects: Floats, view: View) -> float:
    left, top, width, height = view
    across = np.minimum(objects[:, 3], left + width) - np.maximum(objects[:, 1], left)
    down = np.minimum(objects[:, 4], top + height) - np.maximum(objects[:, 2], top)
    common = np.clip(across, 0, None) * np.clip(down, 0, None)
    areas = (objects[:, 3] - objects[:, 1]) * (objects[:, 4] - objects[:, 2])
    return float((common / (areas + width * height - common)).max())


def _centred_in(objects: Floats, view: View) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    left, top, width, height = view
    x, y = (objects[:, 1] + objects[:, 3]) / 2, (objects[:, 2] + objects[:, 4]) / 2
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = (x > left) & (x < left + width) & (y > top) & (y < top + height)
    return found


def _seen(objects: Floats, view: View) -> Floats:
    """Corners in fractions of the view, cut at its edges."""
    left, top, width, height = view
    moved = objects.copy()
    moved[:, [1, 3]] = np.clip((objects[:, [1, 3]] - left) / width, 0, 1)
    moved[:, [2, 4]] = np.clip((objects[:, [2, 4]] - top) / height, 0, 1)
    return moved


def _mirrored(objects: Floats) -> Floats:
    turned = objects.copy()
    turned[:, 1], turned[:, 3] = 1 - objects[:, 3], 1 - objects[:, 1]
    return turned
