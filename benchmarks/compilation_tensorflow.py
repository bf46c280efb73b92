"""The part of compilation.py that runs where TensorFlow is: a network of Keras, compiled, against its SavedModel and against itself.

Prints calls a second of each round as JSON: ``[[compiled, SavedModel, Keras], …]``. The first argument is an empty folder.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sagewright_container.compilation import compile as program
from sagewright_container.serving.compiled import CompiledModel

_ROUNDS, _CALLS = 5, 100


def main() -> None:
    root = Path(sys.argv[1])
    for name in ("input/config", "input/model", "model"):
        (root / name).mkdir(parents=True)
    tensorflow = importlib.import_module("tensorflow")
    keras = _network(tensorflow)
    keras.save(str(root / "input/model/network.h5"))
    keras.export(str(root / "saved/1"), verbose=False)
    task = {"Framework": "KERAS", "DataInputConfig": '{"image": [1, 3, 32, 32]}', "Target": "ml_c5"}
    (root / "input/config/compilationjob.json").write_text(json.dumps(task))
    os.environ["SAGEWRIGHT_ML_ROOT"] = str(root)
    if program.main():
        raise SystemExit((root / "output/failure").read_text())
    compiled = CompiledModel(root / "model")
    saved = tensorflow.saved_model.load(str(root / "saved/1")).signatures["serving_default"]
    image = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: compiled(image),
        lambda: saved(image=tensorflow.constant(image)),
        lambda: keras(image, training=False),
    )
    print(json.dumps([[_rate(call) for call in calls] for _ in range(_ROUNDS)]))


def _network(tensorflow: Any) -> Any:
    layers = tensorflow.keras.layers
    image = layers.Input((32, 32, 3), name="image")
    hidden = image
    for filters in (16, 32, 32):
        hidden = layers.Conv2D(filters, 3, padding="same", activation="relu")(hidden)
        hidden = layers.MaxPool2D()(layers.BatchNormalization()(hidden))
    return tensorflow.keras.Model(image, layers.Dense(10, activation="softmax")(layers.Flatten()(hidden)))


def _rate(call: Callable[[], Any]) -> float:
    """Of the median call."""
    took = []
    for _ in range(_CALLS):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return 1 / sorted(took)[len(took) // 2]


if __name__ == "__main__":
    main()
