"""The endpoint of Object Detection - TensorFlow: boxes, classes and scores of an image (DG:object-detection-tensorflow-inputoutput)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from sagewright_algorithms.common import accelerator
from sagewright_algorithms.jumpstart.endpoint import Answer, JumpStartEndpoint, UnreadableInputError
from sagewright_algorithms.manifest import load as load_manifest
from sagewright_algorithms.object_detection.training import detected
from sagewright_algorithms.object_detection_tf import artifact
from sagewright_algorithms.object_detection_tf.artifact import Info
from sagewright_algorithms.object_detection_tf.network import PyramidDetector
from sagewright_algorithms.vision import geometry, tensors
from sagewright_algorithms.vision.image import Pixels, UnreadableImageError, decode, pixels

_MOST_TOGETHER = 32  # images of one forward pass: more cost memory and are not faster
_MOST_FOUND, _OVERLAP = 100, 0.6  # of one image, and of two boxes of a class: as the Model Garden's post-processing


def endpoint(folder: Path) -> JumpStartEndpoint:
    """Raises OSError, ValueError when there is no model that this algorithm trained."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return JumpStartEndpoint(ObjectFinder(*artifact.load(folder)), load_manifest("object-detection-tf").inference)


class ObjectFinder:
    """See jumpstart.endpoint.Model."""

    def __init__(self, detector: PyramidDetector, info: Info) -> None:
        self._device = accelerator.device()
        self._detector = tensors.placed(detector, self._device).eval()
        self._labels = list(info.categories)

    def read(self, body: bytes, content_type: str) -> Pixels:
        """The image in the network's size."""
        side = self._detector.form.side
        try:
            return pixels(geometry.stretched(decode(body, side), side, side))
        except UnreadableImageError as error:
            raise UnreadableInputError(f"The payload cannot be decoded: {error}") from error

    def predict(self, inputs: list[Pixels]) -> list[Answer]:
        """Those that have arrived together in one pass."""
        parts = (inputs[start : start + _MOST_TOGETHER] for start in range(0, len(inputs), _MOST_TOGETHER))
        return [self._answer(rows) for part in parts for rows in self._found(part)]

    @torch.inference_mode()
    def _found(self, images: list[Pixels]) -> list[list[list[float]]]:
        found = detected(self._detector, tensors.of_pixels(images, self._device), _OVERLAP)
        return [rows[:_MOST_FOUND].tolist() for rows in found]

    def _answer(self, rows: list[list[float]]) -> Answer:
        """Corners are xmin, ymin, xmax, ymax: the order that AWS's notebook reads, whatever the guide prints."""
        classes, scores, boxes = [int(row[0]) for row in rows], [row[1] for row in rows], [row[2:] for row in rows]
        document = {"normalized_boxes": boxes, "classes": classes, "scores": scores}
        return Answer(document, {"labels": self._labels, "tensorflow_model_output": _output(classes, scores, boxes)})


def _output(classes: list[int], scores: list[float], boxes: list[list[float]]) -> dict[str, Any]:
    """As TensorFlow's detection models answer a batch of one: corners are ymin, xmin, ymax, xmax."""
    turned = [[top, left, bottom, right] for left, top, right, bottom in boxes]
    return {
        "detection_boxes": [turned],
        "detection_classes": [classes],
        "detection_scores": [scores],
        "num_detections": [len(scores)],
    }
