"""Object Detection is as good as the reference (algorithms/object-detection.json, reference_quality)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from support.drawn_shapes import Picture, draw
from support.ml_root import MlRoot

from sagewright_algorithms.object_detection.precision import MeanAveragePrecision
from sagewright_algorithms.vision.records import ImageRecord, pack

SIDE = 96
# On a busy machine, threads that spin while they wait for one another take ten times as long.
JOB = {"SAGEWRIGHT_ALGORITHM": "object-detection", "OMP_WAIT_POLICY": "PASSIVE"}


def recorded(pictures: list[Picture]) -> bytes:
    return b"".join(pack(ImageRecord(item.label(), number, item.encoded())) for number, item in enumerate(pictures))


@pytest.mark.slow
def test_shapes(tmp_path: Path) -> None:
    """Reference 1.000 in 433 s; must be at least 0.85. The endpoint answers as training has measured."""
    train, test = draw(600, SIDE, 1), draw(120, SIDE, 2)
    root = MlRoot(tmp_path / "ml")
    root.write("input/data/train/train.rec", recorded(train))
    root.write("input/data/validation/validation.rec", recorded(test))
    hyperparameters = {
        "base_network": "resnet-20",
        "image_shape": str(SIDE),
        "num_classes": "3",
        "num_training_samples": str(len(train)),
        "mini_batch_size": "16",
        "epochs": "12",
        "optimizer": "adam",
        "learning_rate": "0.003",
        "lr_scheduler_step": "9,11",
    }
    root.configure(hyperparameters, train="application/x-recordio", validation="application/x-recordio")
    done = root.train(1200, **JOB)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    found = [float(match[1]) for match in re.finditer(r"validation mAP <score>=\((\S+)\)", done.stdout)]
    print(f"mAP {max(found):.4f}")
    assert max(found) >= 0.85
    assert served(root, test) == pytest.approx(max(found), abs=0.01)


def served(root: MlRoot, pictures: list[Picture]) -> float:
    """Mean average precision of the endpoint's answers."""
    precision = MeanAveragePrecision(0.5)
    with root.serving(**JOB) as endpoint:
        for picture in pictures:
            rows = json.loads(endpoint.invoke(picture.encoded(), "image/png").body)["prediction"]
            precision.add(np.array(rows, np.float32).reshape(-1, 6), picture.label()[2:].reshape(-1, 5))
    return precision.value()
