"""The objects of one image as rows of class and corners, from the label of an image record or from an annotation in JSON.

A record's label is: width of the header (2), width of an object (5), whatever else the header has, then for each object class,
xmin, ymin, xmax, ymax in fractions of the image (MXNet's detection records). An annotation counts in pixels (DG:object-detection).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import orjson

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.matrix import Floats

_HEADER, _OBJECT = 2, 5
NOT_ENOUGH = (
    "Not enough annotation packed in the list file or the RecordIO file. Each object requires at least five numbers "
    "[label_id, xmin, ymin, xmax, ymax] for annotation."
)


@dataclass(frozen=True, slots=True)
class Labels:
    """Reads labels of a job with so many classes; ``width`` is its label_width, which the longest label must not exceed."""

    classes: int
    width: int

    def of_record(self, label: Floats | None, name: str) -> Floats:
        """``(objects, 5)``. Raises ClientError."""
        if label is None or len(label) < _HEADER:
            raise ClientError(f"{NOT_ENOUGH} The image {name} has none.")
        header, size = int(label[0]), int(label[1])
        if header < _HEADER or size < _OBJECT or header > len(label) or (len(label) - header) % size:
            raise ClientError(f"{NOT_ENOUGH} The image {name} has {len(label)} numbers.")
        rows = label[header:].reshape(-1, size)[:, :_OBJECT]
        return self._checked(rows[rows[:, 0] >= 0], name)

    def of_annotation(self, content: bytes, name: str) -> Floats:
        """``(objects, 5)`` of ``{"image_size": [{…}], "annotations": [{…}]}``. Raises ClientError."""
        try:
            return self._checked(_rows(orjson.loads(content)), name)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            text = f"{type(error).__name__}: {error}"
            raise ClientError(f"The annotation of {name} needs image_size and annotations as documented ({text})") from error

    def _checked(self, rows: Floats, name: str) -> Floats:
        """Without boxes that have no extent, as MXNet leaves them out; corners within the image."""
        needed = _HEADER + _OBJECT * len(rows)
        if needed > self.width:
            raise ClientError(
                "Invalid parameter value 'label_width'. Please ensure that the value of parameter 'label_width' is large enough: "
                f"the image {name} has {len(rows)} objects, which need {needed}, not {self.width}."
            )
        if not all(isfinite(value) for value in rows.ravel().tolist()):
            raise ClientError(f"The annotation of {name} contains NaN or infinite values")
        outside = (rows[:, 0] < 0) | (rows[:, 0] >= self.classes)
        if outside.any():
            raise ClientError(
                f"The image {name} has an object of class {rows[outside][0, 0]:g}; with num_classes={self.classes} "
                f"the classes are 0 to {self.classes - 1}"
            )
        boxes = np.clip(rows[:, 1:], 0, 1)
        extent = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        return np.column_stack([rows[:, :1], boxes])[extent].astype(np.float32)


def _rows(document: Any) -> Floats:
    size = document["image_size"][0]
    width, height = float(size["width"]), float(size["height"])
    if width <= 0 or height <= 0:
        raise ValueError("an image without extent")
    if int(size.get("depth", 3)) != 3:
        raise ClientError(f"Only images of 3 channels are supported, not of {size['depth']}")
    found = [_row(item, width, height) for item in document["annotations"]]
    return np.array(found, np.float32).reshape(-1, _OBJECT)


def _row(item: Any, width: float, height: float) -> list[float]:
    left, top = float(item["left"]), float(item["top"])
    right, bottom = left + float(item["width"]), top + float(item["height"])
    return [float(item["class_id"]), left / width, top / height, right / width, bottom / height]
