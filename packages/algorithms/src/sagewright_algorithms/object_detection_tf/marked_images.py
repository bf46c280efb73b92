"""The training channel: a folder ``images`` and ``annotations.json`` (DG:object-detection-tensorflow-inputoutput)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.object_detection.examples import Annotated

ANNOTATIONS, IMAGES = "annotations.json", "images"
_FORM = '{"images": [{"file_name", "height", "width", "id"}], "annotations": [{"image_id", "bbox": [xmin, ymin, xmax, ymax], "category_id"}]}'
Category = int | str


@dataclass(frozen=True, slots=True)
class Marked:
    """One image file; ``objects`` are rows of class and corners in fractions of the image."""

    path: Path
    objects: Floats


class Images:
    """Some of the images of a channel. ``categories`` are the category ids of the classes 0, 1, …."""

    def __init__(self, marked: Sequence[Marked], categories: tuple[Category, ...]) -> None:
        self._marked, self.categories = marked, categories

    def __len__(self) -> int:
        return len(self._marked)

    def __getitem__(self, number: int) -> Annotated:
        """Raises IndexError."""
        found = self._marked[number]
        return Annotated(found.path.read_bytes(), found.objects, found.path.name)

    def divided(self, share: float, seed: int) -> tuple[Images, Images]:
        """Those that are left, and a drawn share (at least one image); a single image is both."""
        order = np.random.default_rng(seed).permutation(len(self)).tolist()
        count = max(1, round(share * len(self)))
        return self._only(order[count:] or order), self._only(order[:count])

    def _only(self, numbers: list[int]) -> Images:
        return Images([self._marked[number] for number in numbers], self.categories)


def read(folder: Path) -> Images:
    """Images without an annotation are background. Raises ClientError."""
    file = folder / ANNOTATIONS
    if not file.is_file():
        raise ClientError(
            f"{ANNOTATIONS} was not found in the {folder.name} channel: it holds {ANNOTATIONS} and the folder {IMAGES}"
        )
    try:
        document = orjson.loads(file.read_bytes())
        boxes = [_box(item) for item in document["annotations"]]
        sizes = {_id(item["id"]): item for item in document["images"]}
        categories = _sorted({category for _, category, _ in boxes})
        marked = [_marked(folder / IMAGES, name, item, boxes, categories) for name, item in sizes.items()]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ClientError(f"{ANNOTATIONS} is not of the form {_FORM}: {type(error).__name__}: {error}") from error
    if not marked or not categories:
        raise ClientError(f"{ANNOTATIONS} names {len(marked)} images and {len(boxes)} objects: it needs both")
    return Images(marked, categories)


Box = tuple[Category, Category, list[float]]
"""Image, category, corners in pixels."""


def _box(item: Any) -> Box:
    left, top, right, bottom = (float(value) for value in item["bbox"])
    return _id(item["image_id"]), _id(item["category_id"]), [left, top, right, bottom]


def _id(value: Any) -> Category:
    return value if isinstance(value, str) else int(value)


def _sorted(found: set[Category]) -> tuple[Category, ...]:
    """Numbers by value; as soon as one is text, all by their text."""
    return tuple(sorted(found, key=str) if any(isinstance(value, str) for value in found) else sorted(found))


def _marked(folder: Path, name: Category, item: Any, boxes: list[Box], categories: tuple[Category, ...]) -> Marked:
    width, height = float(item["width"]), float(item["height"])
    if width <= 0 or height <= 0:
        raise ValueError(f"the image {name} has no extent")
    path = (folder / str(item["file_name"])).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise ClientError(f"The image {item['file_name']} of {ANNOTATIONS} is not in the folder {IMAGES}")
    rows = [[categories.index(category), *corners] for image, category, corners in boxes if image == name]
    found = np.array(rows, np.float32).reshape(-1, 5)
    found[:, 1:] = np.clip(found[:, 1:] / [width, height, width, height], 0, 1)
    extent = (found[:, 3] > found[:, 1]) & (found[:, 4] > found[:, 2])
    return Marked(path, found[extent])
