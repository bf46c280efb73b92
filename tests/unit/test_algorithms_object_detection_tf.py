"""Object Detection - TensorFlow: networks, annotations, files (algorithms/object-detection-tf.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.manifest import load
from sagewright_algorithms.object_detection_tf import artifact, marked_images
from sagewright_algorithms.object_detection_tf.artifact import Info
from sagewright_algorithms.object_detection_tf.forms import Form, form
from sagewright_algorithms.object_detection_tf.network import PyramidDetector
from sagewright_algorithms.vision import described_weights

SMALL = "sagewright-od1-ssd-resnet20-fpn-96x96"


def test_every_model_id_names_a_network() -> None:
    """Image sizes and backbones stand in the ids (DG:object-detection-tensorflow-Models)."""
    found = {model.id: form(model.id) for model in load("object-detection-tf").jumpstart}
    assert found["tensorflow-od1-ssd-resnet101-v1-fpn-1024x1024-coco17-tpu-8"] == Form(1024, "101", 256, 4)
    assert found["tensorflow-od1-ssd-mobilenet-v2-fpnlite-320x320-coco17-tpu-8"] == Form(
        320, "mobilenet-v2", 128, 4, light=True
    )
    assert found[SMALL].side == 96
    with pytest.raises(ValueError, match="names no network of this algorithm"):
        form("tensorflow-od1-ssd-efficientdet-d0-512x512-coco17-tpu-8")


@pytest.mark.parametrize(
    ("wanted", "cells"),
    [
        (Form(160, "50", 256, 4), [20, 10, 5, 3, 2]),
        (Form(160, "mobilenet-v2", 128, 4, light=True), [20, 10, 5, 3, 2]),
        (Form(96, "20", 64, 1), [12, 6, 3, 2, 1]),
    ],
    ids=["resnet-50", "mobilenet", "ours"],
)
def test_each_level_gives_a_score_and_a_box_for_six_anchors_of_a_cell(wanted: Form, cells: list[int]) -> None:
    detector = PyramidDetector(wanted, 3).eval()
    images = torch.zeros(2, 3, wanted.side, wanted.side)
    with torch.inference_mode():
        assert [data.shape[2] for data in detector.levels(images)] == cells
        logits, offsets = detector(images)
    count = 6 * sum(side * side for side in cells)
    assert len(detector.anchors) == count
    assert (logits.shape, offsets.shape) == ((2, count, 4), (2, count, 4))
    first = detector.anchors[0]
    assert (first[2] - first[0]).item() == pytest.approx(32 / wanted.side)


DOCUMENT: dict[str, Any] = {
    "images": [
        {"file_name": "a.png", "height": 100, "width": 200, "id": 5},
        {"file_name": "b.png", "height": 10, "width": 10, "id": 6},
    ],
    "annotations": [
        {"image_id": 5, "bbox": [20, 10, 100, 300], "category_id": 9},
        {"image_id": 5, "bbox": [0, 0, 20, 50], "category_id": 2},
        {"image_id": 5, "bbox": [7, 7, 7, 9], "category_id": 2},
    ],
}


def read(folder: Path, **members: Any) -> marked_images.Images:
    (folder / "images").mkdir()
    for name in ("a.png", "b.png"):
        (folder / "images" / name).write_bytes(name.encode())
    (folder / "annotations.json").write_text(json.dumps({**DOCUMENT, **members}))
    return marked_images.read(folder)


def test_annotations(tmp_path: Path) -> None:
    """Classes are the category ids in their order; boxes are cut at the edges; an image may have none."""
    found = read(tmp_path)
    assert found.categories == (2, 9)
    first, second = found[0], found[1]
    assert (first.image, first.name, second.image) == (b"a.png", "a.png", b"b.png")
    assert first.objects == pytest.approx(np.array([[1, 0.1, 0.1, 0.5, 1.0], [0, 0, 0, 0.1, 0.5]]), abs=1e-6)
    assert second.objects.shape == (0, 5)
    train, validation = found.divided(0.2, 0)
    assert (len(train), len(validation)) == (1, 1)
    assert {train[0].name, validation[0].name} == {"a.png", "b.png"}


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"annotations": []}, "names 2 images and 0 objects: it needs both"),
        (
            {"images": [{"file_name": "c.png", "height": 1, "width": 1, "id": 5}]},
            "The image c.png of annotations.json is not in",
        ),
        ({"images": [{"file_name": "../annotations.json", "height": 1, "width": 1, "id": 5}]}, "is not in the folder images"),
        ({"images": [{"file_name": "a.png", "height": 0, "width": 1, "id": 5}]}, "the image 5 has no extent"),
        ({"annotations": [{"image_id": 5, "bbox": [1, 2, 3], "category_id": 1}]}, "is not of the form"),
        ({"annotations": [{"image_id": None, "bbox": [1, 2, 3, 4], "category_id": 1}]}, "is not of the form"),
    ],
)
def test_annotations_that_cannot_be_used(tmp_path: Path, members: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        read(tmp_path, **members)


def test_the_files_bring_a_detector_back(tmp_path: Path) -> None:
    """And say so when they are of another network."""
    detector = PyramidDetector(form(SMALL), 2).eval()
    artifact.write(tmp_path, detector.state_dict(), Info(SMALL, ("cat", "dog")))
    again, info = artifact.load(tmp_path)
    images = torch.rand(1, 3, 96, 96) * 255
    assert info.categories == ("cat", "dog")
    assert json.loads((tmp_path / described_weights.LABELS).read_bytes()) == {"cat": 0, "dog": 1}
    assert all(torch.equal(one, other) for one, other in zip(detector(images), again.eval()(images), strict=True))
    (tmp_path / described_weights.INFO).write_text(json.dumps({"model_id": SMALL, "categories": [1, 2, 3]}))
    with pytest.raises(ValueError, match=r"model\.pt is not of the network that model_info\.json names"):
        artifact.load(tmp_path)
    (tmp_path / described_weights.WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"model\.pt cannot be read"):
        artifact.load(tmp_path)
