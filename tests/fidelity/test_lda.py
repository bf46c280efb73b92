"""LDA is as good as the reference (algorithms/lda.json, reference_quality): bars, 5 400 documents and 600 held out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from support.bars import TOPICS, WORDS, bars
from support.ml_root import MlRoot
from support.numpy_jobs import answers, fit

from sagewright_algorithms.common import ndarray_file


def test_bars(tmp_path: Path) -> None:
    """scikit-learn's variational Bayes: pwll -2.321, topics off by 0.007; must be at least -2.36 and at most 0.1."""
    data = bars(6000)
    train, test = data.counts[:5400], data.counts[5400:]
    root = MlRoot(tmp_path / "ml")
    given = {"num_topics": str(TOPICS), "feature_dim": str(WORDS), "mini_batch_size": "5400"}
    lines = fit(root, "lda", given, train=train, test=test)
    scores = [re.search(r"test pwll <score>=(\S+)", line) for line in lines]
    assert next(float(found[1]) for found in scores if found) >= -2.36
    alpha, beta = ndarray_file.load((root.folder / "model" / "model_algo-1").read_bytes()).values()
    assert (alpha.shape, beta.shape) == ((TOPICS,), (TOPICS, WORDS))
    assert abs(alpha.sum() - 1) < 1e-5
    apart = np.abs(beta[:, None, :] - data.topics[None, :, :]).sum(axis=2)
    ours, theirs = linear_sum_assignment(apart)
    assert apart[ours, theirs].mean() <= 0.1
    assert np.abs(alpha - 1 / TOPICS).max() < 0.03
    predictions = json.loads(answers(root, "lda", test))["predictions"]
    mixtures = np.array([item["topic_mixture"] for item in predictions])
    assert np.abs(mixtures[:, ours] - data.mixtures[5400:][:, theirs]).sum(axis=1).mean() <= 0.15
