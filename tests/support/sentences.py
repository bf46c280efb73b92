"""Made-up sentences of two classes: a few words tell, the others are noise."""

from __future__ import annotations

import csv
import io

import numpy as np

_NOISE = [
    f"{head}{tail}"
    for head in ("ba", "do", "fi", "ku", "lo", "me", "ni", "so", "te", "za")
    for tail in ("r", "lin", "mo", "x", "pit")
]
_TELLING = (("dull", "weak", "poor", "awful", "empty"), ("bright", "strong", "lovely", "superb", "rich"))


def sentences(count: int, seed: int = 0) -> tuple[list[str], list[int]]:
    """Texts of 6 to 14 words, two of which tell; labels 0 and 1."""
    random = np.random.default_rng(seed)
    texts, labels = [], []
    for number in range(count):
        label = number % 2
        words = [*random.choice(_NOISE, random.integers(4, 13)), *random.choice(_TELLING[label], 2)]
        random.shuffle(words)
        texts.append(" ".join(words))
        labels.append(label)
    return texts, labels


def data_csv(texts: list[str], labels: list[int]) -> bytes:
    """A data.csv."""
    stream = io.StringIO()
    csv.writer(stream).writerows(zip(labels, texts, strict=True))
    return stream.getvalue().encode()
