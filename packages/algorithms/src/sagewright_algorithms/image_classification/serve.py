"""The Image Classification endpoint: one image in, the probability of every class out (DG:IC-inference)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson
import torch

from sagewright_algorithms.common import accelerator
from sagewright_algorithms.image_classification import artifact, network
from sagewright_algorithms.manifest import load as load_manifest
from sagewright_algorithms.vision import endpoint, geometry, tensors
from sagewright_algorithms.vision.endpoint import Accept
from sagewright_algorithms.vision.image import Picture, pixels
from sagewright_algorithms.vision.resnet import Classifier

_JSON_LINES = "application/jsonlines"


def main() -> int:
    """Serves until SIGTERM; the exit code."""
    return endpoint.run(load, load_manifest("image-classification").inference)


def load(folder: Path) -> ImageClassifier:
    """Raises OSError, ValueError."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    model = network.restored(artifact.parameters(files))
    return ImageClassifier(model, artifact.shape(files), multi_label=artifact.is_multi_label(files))


class ImageClassifier:
    """``shape`` is channels, height, width: images are resized to it whatever their aspect."""

    def __init__(self, model: Classifier, shape: tuple[int, int, int], *, multi_label: bool) -> None:
        self._device = accelerator.device()
        self._model = tensors.placed(model, self._device).eval()
        channels, self._height, self._width = shape
        self._mode = "RGB" if channels == 3 else "L"
        self.shorter: int | None = max(self._height, self._width)
        self._multi_label = multi_label

    @torch.inference_mode()
    def probabilities(self, images: Sequence[Picture]) -> torch.Tensor:
        """(N, classes): they add up to 1, or each stands for itself with several labels."""
        stretched = [pixels(geometry.stretched(image, self._height, self._width).convert(self._mode)) for image in images]
        logits: torch.Tensor = self._model(tensors.of_pixels(stretched, self._device))
        return (logits.sigmoid() if self._multi_label else logits.softmax(1)).cpu()

    def answer(self, images: Sequence[Picture], accept: Accept) -> list[bytes]:
        """See ImageModel."""
        rows = self.probabilities(images).tolist()
        if accept.media_type == _JSON_LINES:
            return [orjson.dumps({"prediction": row}) + b"\n" for row in rows]
        return [orjson.dumps(row) for row in rows]
