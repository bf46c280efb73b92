"""The Object Detection endpoint: class, confidence and box of each object of an image (DG:object-detection-in-formats)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch

from sagewright_algorithms.common import accelerator
from sagewright_algorithms.manifest import load as load_manifest
from sagewright_algorithms.object_detection import artifact
from sagewright_algorithms.object_detection.network import Detector
from sagewright_algorithms.object_detection.training import detected
from sagewright_algorithms.vision import geometry, image, tensors
from sagewright_algorithms.vision.endpoint import Accept, run
from sagewright_algorithms.vision.image import Picture

_JSON_LINES = "application/jsonlines"


def main() -> int:
    """Serves until SIGTERM; the exit code."""
    return run(load, load_manifest("object-detection").inference)


def load(folder: Path) -> ServedDetector:
    """Raises OSError, ValueError, KeyError."""
    found = {name: (folder / name).read_bytes() for name in artifact.FILES}
    detector = Detector(artifact.architecture(found))
    artifact.fill(detector, found)
    return ServedDetector(detector, float(orjson.loads(found[artifact.HYPERPARAMETERS])["nms_threshold"]))


class ServedDetector:
    """``threshold``: the overlap above which a box suppresses another."""

    channels = 3

    def __init__(self, detector: Detector, threshold: float) -> None:
        self._device = accelerator.device()
        self._detector = tensors.placed(detector, self._device).eval()
        # The answer names the size of the image as it was sent, which a JPEG that is only decoded small does not tell.
        self.shorter: int | None = None
        self._threshold = threshold

    def answer(self, images: Sequence[Picture], accept: Accept) -> list[bytes]:
        """``{"prediction": [[class, score, xmin, ymin, xmax, ymax], …]}``, or with ``;annotation=1`` the annotation's form."""
        annotated = "annotation=1" in accept.options
        documents = [
            _annotation(rows, picture) if annotated else {"prediction": rows}
            for picture, rows in zip(images, self._detected(images), strict=True)
        ]
        end = b"\n" if accept.media_type == _JSON_LINES else b""
        return [orjson.dumps(document) + end for document in documents]

    def _detected(self, images: Sequence[Picture]) -> list[list[list[float]]]:
        side = self._detector.architecture.image_shape
        pixels = [image.pixels(geometry.stretched(picture, side, side)) for picture in images]
        with torch.inference_mode():
            found = detected(self._detector, tensors.of_pixels(pixels, self._device), self._threshold)
        return [rows.tolist() for rows in found]


def _annotation(rows: list[list[float]], picture: Picture) -> dict[str, Any]:
    """As Ground Truth writes annotations, with scores: in pixels of the image as it was sent."""
    width, height = picture.size
    return {
        "image_size": [{"width": width, "height": height, "depth": 3}],
        "annotations": [_box(row, width, height) for row in rows],
    }


def _box(row: list[float], width: int, height: int) -> dict[str, Any]:
    left, top, right, bottom = np.rint(np.array(row[2:]) * [width, height, width, height]).astype(int).tolist()
    return {
        "class_id": int(row[0]),
        "score": row[1],
        "left": left,
        "top": top,
        "width": right - left,
        "height": bottom - top,
    }
