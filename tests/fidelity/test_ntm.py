"""NTM is as good as the reference (algorithms/ntm.json, reference_quality): bars, 5 000 documents."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from support.bars import TOPICS, WORDS, bars
from support.ml_root import MlRoot
from support.numpy_jobs import answers, fit

from sagewright_algorithms.common import ndarray_file


def test_bars(tmp_path: Path) -> None:
    """Reference 0.98 of the top words, correlation 0.875, 366.6 nats; must be at least 0.9, 0.8 and at most 385."""
    data = bars(5000)
    root = MlRoot(tmp_path / "ml")
    given = {"num_topics": str(TOPICS), "feature_dim": str(WORDS), "optimizer": "adam", "learning_rate": "0.01", "epochs": "60"}
    fit(root, "ntm", {**given, "num_patience_epochs": "61"}, train=data.counts)
    parameters = _parameters(root)
    projection, bias = parameters["arg:projection_weight"], parameters["arg:projection_bias"]
    assert projection.shape == (WORDS, TOPICS)
    top = np.argsort(-projection.T, axis=1)[:, :5]
    hits = np.array([[np.isin(words, np.flatnonzero(topic)).mean() for topic in data.topics] for words in top])
    ours, theirs = linear_sum_assignment(-hits)
    assert hits[ours, theirs].mean() >= 0.9
    predictions = json.loads(answers(root, "ntm", data.counts))["predictions"]
    weights = np.array([item["topic_weights"] for item in predictions])
    pairs = zip(ours, theirs, strict=True)
    assert np.mean([np.corrcoef(weights[:, our], data.mixtures[:, their])[0, 1] for our, their in pairs]) >= 0.8
    logits = weights @ projection.T + bias
    likelihood = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert -(data.counts * likelihood).sum(axis=1).mean() <= 385


def _parameters(root: MlRoot) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(BytesIO((root.folder / "model" / "model_algo-1").read_bytes())) as archive:
        return ndarray_file.load(archive.read("params"))
