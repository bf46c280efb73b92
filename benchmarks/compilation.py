"""What a compilation job makes of a model, against the model: one row, in one process, by the handlers that serve either."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
import xgboost
from sklearn.ensemble import RandomForestClassifier

from benchmarks.figures import Figure, median, median_ratio
from sagewright.compute.environments.folder import Environments
from sagewright_container.compilation import compile as program
from sagewright_container.serving.compiled import CompiledModel

_ROUNDS, _CALLS = 5, 100


def figures() -> list[Figure]:
    rows = np.random.default_rng(0).normal(size=(2000, 30)).astype(np.float32)
    labels = rows[:, :5].sum(1) > 0
    row = rows[:1]
    forest = RandomForestClassifier(100, max_depth=8, random_state=0).fit(rows, labels)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 6}, xgboost.DMatrix(rows, labels), 100)
    network = _network()
    tensor = torch.from_numpy(row)
    return [
        _figure("XGBOOST", lambda place: booster.save_model(place / "model.json"), lambda: booster.inplace_predict(row), row),
        _figure("SKLEARN", lambda place: joblib.dump(forest, place / "model.joblib"), lambda: forest.predict(row), row),
        _figure("PYTORCH", lambda place: network.save(str(place / "model.pth")), lambda: _run(network, tensor), row),
        _keras(),
    ]


def _figure(framework: str, save: Callable[[Path], Any], original: Callable[[], Any], row: Any) -> Figure:
    """Calls a second, compiled against original."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = _compile(Path(folder), framework, save)
        rounds = [(_rate(lambda: compiled(row)), _rate(original)) for _ in range(_ROUNDS)]
    return median_ratio(f"compiled {framework}, calls of one row, against the model", rounds, 1.0, "calls/s")


def _keras() -> Figure:
    """In the environment that compiles such models, which is built first (1.5 GB); against its SavedModel, the faster of TensorFlow's ways."""
    with tempfile.TemporaryDirectory() as folder:
        python = asyncio.run(Environments(Path(folder) / "environments").prepare("neotensorflow"))
        words = [python, "-m", "benchmarks.compilation_tensorflow", str(Path(folder) / "ml")]
        said = subprocess.run(
            words, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
        )
    rounds = [(compiled, saved) for compiled, saved, _ in json.loads(said.stdout.splitlines()[-1])]
    return median_ratio("compiled KERAS, calls of one image, against the SavedModel", rounds, 1.0, "calls/s")


def _compile(root: Path, framework: str, save: Callable[[Path], Any]) -> CompiledModel:
    for name in ("input/config", "input/model", "model"):
        (root / name).mkdir(parents=True)
    save(root / "input/model")
    task = {"Framework": framework, "DataInputConfig": '{"input0": [1, 30]}', "Target": "ml_c5"}
    (root / "input/config/compilationjob.json").write_text(json.dumps(task))
    os.environ["SAGEWRIGHT_ML_ROOT"] = str(root)
    if program.main():
        raise RuntimeError((root / "output/failure").read_text())
    return CompiledModel(root / "model")


def _network() -> Any:
    torch.manual_seed(0)
    layers = (torch.nn.Linear(30, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.trace(torch.nn.Sequential(*layers).eval(), torch.zeros(1, 30))


def _run(network: Any, tensor: torch.Tensor) -> Any:
    with torch.no_grad():
        return network(tensor)


def _rate(call: Callable[[], Any]) -> float:
    """Of the median call."""
    took = []
    for _ in range(_CALLS):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return 1 / median(took)
