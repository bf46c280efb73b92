"""Image Classification - TensorFlow is as good as the reference (algorithms/image-classification-tf.json, reference_quality)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from support import jumpstart_jobs
from support.cases import Channel
from support.ml_root import MlRoot
from support.pictures import digits, encoded

MODEL = "tensorflow-ic-imagenet-mobilenet-v2-035-96"
TYPE = "application/x-image"


def folders(images: list[NDArray[Any]], labels: Iterable[int]) -> Channel:
    """A folder per digit."""
    return Channel(
        TYPE,
        {f"{label}/{number}.png": encoded(image) for number, (image, label) in enumerate(zip(images, labels, strict=True))},
    )


@pytest.mark.slow
def test_digits(tmp_path: Path) -> None:
    """Reference 0.991; must be at least 0.97, from random weights. The endpoint answers as training has measured."""
    rows, classes = load_digits(return_X_y=True)
    train, test, train_classes, test_classes = train_test_split(
        digits(rows), classes, test_size=0.25, random_state=0, stratify=classes
    )
    root = MlRoot(tmp_path / "ml")
    hyperparameters = {"epochs": "10", "optimizer": "sgd", "learning_rate": "0.05"}
    channels = {"training": folders(train, train_classes), "validation": folders(test, test_classes)}
    jumpstart_jobs.prepare(root, "image-classification-tf", MODEL, hyperparameters, channels)
    done = root.train(900, SAGEWRIGHT_FRAMEWORK="pytorch", OMP_WAIT_POLICY="PASSIVE")  # a plain process, on a busy machine
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    accuracies = [float(found[1]) for found in re.finditer(r"val_accuracy: ([0-9\.]+)", done.stdout)]
    print(f"accuracy {max(accuracies):.4f}")
    assert max(accuracies) >= 0.97
    with jumpstart_jobs.serving(root) as served:
        answers = [json.loads(served.invoke(encoded(image), TYPE).body)["probabilities"] for image in test]
    right = np.mean([int(np.argmax(row)) == kind for row, kind in zip(answers, test_classes, strict=True)])
    assert right == pytest.approx(max(accuracies), abs=0.005)
