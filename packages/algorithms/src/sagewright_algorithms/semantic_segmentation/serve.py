"""The Semantic Segmentation endpoint: the class of each pixel of an image, or its probabilities (DG:semantic-segmentation)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import orjson
import torch
from PIL import Image
from torch import Tensor

from sagewright_algorithms.common import accelerator
from sagewright_algorithms.manifest import load as load_manifest
from sagewright_algorithms.recordio import Record, encode
from sagewright_algorithms.recordio import Tensor as RecordTensor
from sagewright_algorithms.semantic_segmentation import artifact
from sagewright_algorithms.semantic_segmentation.heads import resized
from sagewright_algorithms.semantic_segmentation.network import Segmenter
from sagewright_algorithms.semantic_segmentation.transforms import scaled
from sagewright_algorithms.vision import tensors
from sagewright_algorithms.vision.endpoint import Accept, run
from sagewright_algorithms.vision.image import Picture, pixels

_PNG, _JSON, _JSON_LINES = "image/png", "application/json", "application/jsonlines"


def main() -> int:
    """Serves until SIGTERM; the exit code."""
    return run(load, load_manifest("semantic-segmentation").inference)


def load(folder: Path) -> ServedSegmenter:
    """Raises OSError, ValueError, KeyError."""
    found = {name: (folder / name).read_bytes() for name in artifact.FILES}
    return ServedSegmenter(artifact.restored(found), int(artifact.hyperparameters(found)["base_size"]))


class ServedSegmenter:
    """Images are looked at with a long side of ``base_size``; masks have the size of the image as it was sent."""

    shorter: int | None = None
    channels = 3

    def __init__(self, segmenter: Segmenter, base_size: int) -> None:
        self._device = accelerator.device()
        self._segmenter = tensors.placed(segmenter, self._device).eval()
        self._base_size = base_size

    def answer(self, images: Sequence[Picture], accept: Accept) -> list[bytes]:
        """A PNG of classes, ``{"prediction": rows of classes}``, or a Record of probabilities."""
        write = {_PNG: _png, _JSON: _json, _JSON_LINES: _json_line}.get(accept.media_type, _record)
        return [write(self._scores(picture)) for picture in images]

    @torch.inference_mode()
    def _scores(self, picture: Picture) -> Tensor:
        """``(classes, height, width)``; each image by itself, for each may have another size."""
        images = tensors.of_pixels([pixels(scaled(picture, self._base_size))], self._device)
        found: Tensor = resized(self._segmenter(images), (picture.height, picture.width))[0]
        return found


def _classes(scores: Tensor) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    found: np.ndarray[tuple[int, int], np.dtype[np.uint8]] = scores.argmax(dim=0).byte().cpu().numpy()
    return found


def _png(scores: Tensor) -> bytes:
    buffer = BytesIO()
    Image.fromarray(_classes(scores)).save(buffer, "PNG")
    return buffer.getvalue()


def _json(scores: Tensor) -> bytes:
    return orjson.dumps({"prediction": _classes(scores)}, option=orjson.OPT_SERIALIZE_NUMPY)


def _json_line(scores: Tensor) -> bytes:
    return _json(scores) + b"\n"


def _record(scores: Tensor) -> bytes:
    """Features ``target`` (float32, one value after another) and ``shape`` (int32: 1, classes, height, width)."""
    probabilities = scores.softmax(dim=0).cpu().contiguous()
    values, shape = array("f"), array("i", [1, *probabilities.shape])
    values.frombytes(probabilities.numpy().tobytes())
    return encode([Record({"target": RecordTensor(values), "shape": RecordTensor(shape)})])
