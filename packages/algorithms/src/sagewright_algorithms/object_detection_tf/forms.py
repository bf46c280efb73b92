"""What a model id stands for: a backbone, a feature pyramid on it, and the size of the images. Needs no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOBILENET = "mobilenet-v2"
_RESNET = re.compile(r"tensorflow-od1-ssd-resnet(\d+)-v1-fpn-(\d+)x\2-coco17-tpu-8")
_MOBILENET = re.compile(r"tensorflow-od1-ssd-mobilenet-v2-fpnlite-(\d+)x\1-coco17-tpu-8")
_SMALL = re.compile(r"sagewright-od1-ssd-resnet20-fpn-(\d+)x\1")


@dataclass(frozen=True, slots=True)
class Form:
    """``backbone`` is MOBILENET or the depth of a residual network as text; ``light`` pyramids have separable convolutions.

    ``filters`` is the width of the pyramid, ``depth`` the convolutions before a prediction (TensorFlow Model Garden's
    pipeline.config files).
    """

    side: int
    backbone: str
    filters: int
    depth: int
    light: bool = False


def form(model_id: str) -> Form:
    """Raises ValueError for an id that names no network we have."""
    if found := _RESNET.fullmatch(model_id):
        return Form(int(found[2]), found[1], 256, 4)
    if found := _MOBILENET.fullmatch(model_id):
        return Form(int(found[1]), MOBILENET, 128, 4, light=True)
    if found := _SMALL.fullmatch(model_id):
        return Form(int(found[1]), "20", 64, 1)
    raise ValueError(f"{model_id} names no network of this algorithm")
