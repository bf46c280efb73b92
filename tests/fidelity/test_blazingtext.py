"""BlazingText is as good as fastText (algorithms/blazingtext.json, reference_quality)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support.cases.blazingtext import sentences
from support.ml_root import MlRoot

from sagewright_algorithms.blazingtext import vectors_file

GROUPS, WORDS, NEIGHBOURS = 20, 15, 10


def topical_corpus(lines: int = 20_000, length: int = 10) -> str:
    """Each line holds words of one group only."""
    random = np.random.default_rng(0)
    groups, words = random.integers(0, GROUPS, lines), random.integers(0, WORDS, (lines, length))
    return "\n".join(" ".join(f"g{group}w{word}" for word in row) for group, row in zip(groups, words, strict=True))


def neighbour_precision(content: bytes) -> float:
    """How many of a word's nearest ten are of its group."""
    words, vectors = vectors_file.read(content, binary=False)
    kept = [number for number, word in enumerate(words) if word.startswith("g")]
    assert len(kept) == GROUPS * WORDS
    table = vectors[kept] / np.linalg.norm(vectors[kept], axis=1, keepdims=True)
    group = np.array([int(words[number][1:].partition("w")[0]) for number in kept])
    likeness = table @ table.T
    np.fill_diagonal(likeness, -2)
    nearest = np.argsort(-likeness, axis=1)[:, :NEIGHBOURS]
    return float((group[nearest] == group[:, None]).mean())


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
