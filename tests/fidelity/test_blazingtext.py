"""BlazingText is as good as fastText (algorithms/blazingtext.json, reference_quality)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.cases.blazingtext import sentences
from support.ml_root import MlRoot
from support.topics import neighbour_precision, topical_corpus


@pytest.mark.parametrize("mode", ["cbow", "skipgram", "batch_skipgram"])
def test_words_of_one_topic_are_neighbours(tmp_path: Path, mode: str) -> None:
    """Reference 1.000 for cbow; must be at least 0.95."""
    root = MlRoot(tmp_path / "ml")
    root.write("input/data/train/text.txt", topical_corpus())
    root.configure({"mode": mode, "vector_dim": "50", "epochs": "5"}, train="text/plain")
    done = root.train(SAGEWRIGHT_ALGORITHM="blazingtext")
    assert done.returncode == 0, done.stdout + done.stderr
    assert neighbour_precision((root.folder / "model" / "vectors.txt").read_bytes()) >= 0.95


def test_two_kinds_of_sentences(tmp_path: Path) -> None:
    """Reference 1.000 on held-out lines; must be at least 0.99."""
    root = MlRoot(tmp_path / "ml")
    for channel, count, seed in (("train", 2000, 0), ("validation", 1000, 1)):
        root.write(f"input/data/{channel}/text.txt", "\n".join(sentences(count, seed)))
    given = {"mode": "supervised", "epochs": "10", "learning_rate": "0.5", "word_ngrams": "2", "buckets": "20000"}
    root.configure(given, train="text/plain", validation="text/plain")
    done = root.train(SAGEWRIGHT_ALGORITHM="blazingtext")
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"#validation_accuracy: (\S+)", done.stdout)
    assert found is not None
    assert float(found[1]) >= 0.99
    assert "Number of validation examples: 1000" in done.stdout
