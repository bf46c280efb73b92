"""Object Detection - TensorFlow is as good as the reference (algorithms/object-detection-tf.json, reference_quality)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support import jumpstart_jobs
from support.cases import Channel
from support.cases.object_detection_tf import channel
from support.drawn_shapes import draw
from support.ml_root import MlRoot

from sagewright_algorithms.object_detection.precision import MeanAveragePrecision

ALGORITHM, MODEL, SIDE = "object-detection-tf", "sagewright-od1-ssd-resnet20-fpn-96x96", 96


@pytest.mark.slow
def test_shapes(tmp_path: Path) -> None:
    """Reference 1.000, as Object Detection; must be at least 0.85 on pictures that training has not seen."""
    root = MlRoot(tmp_path / "ml")
    given = {"training": Channel("application/x-image", channel(draw(600, SIDE, 1), (0, 1, 2)))}
    hyperparameters = {"epochs": "12", "batch_size": "16", "learning_rate": "0.002"}
    jumpstart_jobs.prepare(root, ALGORITHM, MODEL, hyperparameters, given)
    done = jumpstart_jobs.train(root, ALGORITHM, MODEL, 1800)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    precision = MeanAveragePrecision(0.5)
    with jumpstart_jobs.serving(root) as served:
        for picture in draw(120, SIDE, 2):
            answer = json.loads(served.invoke(picture.encoded(), "application/x-image").body)
            rows = [
                [kind, score, *box]
                for kind, score, box in zip(*(answer[name] for name in ("classes", "scores", "normalized_boxes")), strict=True)
            ]
            precision.add(np.array(rows, np.float32).reshape(-1, 6), picture.label()[2:].reshape(-1, 5))
    print(f"mAP {precision.value():.4f}")
    assert precision.value() >= 0.85
