"""Semantic Segmentation is as good as the reference (algorithms/semantic-segmentation.json, reference_quality)."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.drawn_shapes import Picture, draw
from support.ml_root import MlRoot

from sagewright_algorithms.semantic_segmentation.metrics import Confusion

SIDE = 64
# On a busy machine, threads that spin while they wait for one another take ten times as long.
JOB = {"SAGEWRIGHT_ALGORITHM": "semantic-segmentation", "OMP_WAIT_POLICY": "PASSIVE"}


@pytest.mark.slow
def test_shapes(tmp_path: Path) -> None:
    """Reference 0.972 and 0.997; must be at least 0.85 and 0.98. The endpoint answers as training has measured."""
    data = {"train": draw(400, SIDE, 1), "validation": draw(100, SIDE, 2)}
    root = MlRoot(tmp_path / "ml")
    for channel, pictures in data.items():
        for number, picture in enumerate(pictures):
            root.write(f"input/data/{channel}/{number}.jpg", picture.encoded("JPEG"))
            root.write(f"input/data/{channel}_annotation/{number}.png", picture.labels())
    hyperparameters = {
        "backbone": "resnet-20",
        "num_classes": "4",
        "num_training_samples": "400",
        "base_size": str(SIDE),
        "crop_size": str(SIDE),
        "epochs": "15",
        "optimizer": "adam",
        "learning_rate": "0.005",
    }
    labels = {f"{channel}_annotation": "image/png" for channel in data}
    root.configure(hyperparameters, **dict.fromkeys(data, "image/jpeg"), **labels)
    done = root.train(1200, **JOB)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    found = [
        (float(match[1]), float(match[2]))
        for match in re.finditer(r"validation mIOU: (\S+) pixel_accuracy: (\S+)", done.stdout)
    ]
    best = max(found)
    print("mIOU {:.4f}, pixel accuracy {:.4f}".format(*best))
    assert best[0] >= 0.85
    assert best[1] >= 0.98
    assert served(root, data["validation"]) == pytest.approx(best, abs=0.005)


def served(root: MlRoot, pictures: list[Picture]) -> tuple[float, float]:
    """Mean IOU and pixel accuracy of the endpoint's masks."""
    confusion = Confusion(4)
    with root.serving(**JOB) as endpoint:
        for picture in pictures:
            mask = Image.open(BytesIO(endpoint.invoke(picture.encoded("JPEG"), "image/jpeg", Accept="image/png").body))
            confusion.add(torch.from_numpy(np.array(mask)), torch.from_numpy(np.array(picture.classes)))
    return confusion.mean_iou(), confusion.pixel_accuracy()
