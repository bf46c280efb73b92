"""The endpoint of Image Classification - TensorFlow: an image in, the probability of every class out (DG:IC-TF-inputoutput)."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from sagewright_algorithms.common import accelerator
from sagewright_algorithms.image_classification_tf import artifact
from sagewright_algorithms.image_classification_tf.artifact import Info
from sagewright_algorithms.image_classification_tf.network import Network, architecture
from sagewright_algorithms.image_classification_tf.resampling import resized
from sagewright_algorithms.jumpstart.endpoint import Answer, JumpStartEndpoint, UnreadableInputError
from sagewright_algorithms.manifest import load as load_manifest
from sagewright_algorithms.vision import tensors
from sagewright_algorithms.vision.image import Pixels, UnreadableImageError, decode

_MOST_TOGETHER = 32  # images of one forward pass: more cost memory and are not faster


def endpoint(folder: Path) -> JumpStartEndpoint:
    """Raises OSError, ValueError when there is no model that this algorithm trained."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return JumpStartEndpoint(ImageClassifier(*artifact.load(folder)), load_manifest("image-classification-tf").inference)


class ImageClassifier:
    """See jumpstart.endpoint.Model."""

    def __init__(self, network: Network, info: Info) -> None:
        self._device, self._info = accelerator.device(), info
        self._network = tensors.placed(network, self._device).eval()
        self._side = architecture(info.model_id).side

    def read(self, body: bytes, content_type: str) -> Pixels:
        """The image in the network's size."""
        try:
            return resized(decode(body, self._side), self._side, self._info.interpolation)
        except UnreadableImageError as error:
            raise UnreadableInputError(f"The payload cannot be decoded: {error}") from error

    def predict(self, inputs: list[Pixels]) -> list[Answer]:
        """Those that have arrived together in one pass."""
        parts = (inputs[start : start + _MOST_TOGETHER] for start in range(0, len(inputs), _MOST_TOGETHER))
        return [self._answer(row) for part in parts for row in self._probabilities(part)]

    @torch.inference_mode()
    def _probabilities(self, images: list[Pixels]) -> list[list[float]]:
        logits = self._network(tensors.of_pixels(images, self._device))
        found: list[list[float]] = (logits.sigmoid() if self._info.binary else logits.softmax(1)).tolist()
        return found

    def _answer(self, row: list[float]) -> Answer:
        best = int(row[0] > 0.5) if self._info.binary else row.index(max(row))
        labels = list(self._info.classes)
        return Answer({"probabilities": row}, {"labels": labels, "predicted_label": labels[best]})
