"""Word vectors in the files of word2vec: text (``vectors.txt``) to write, text and binary to read.

Both begin with a line "words width". Text: a line per word, its vector behind it. Binary: word, blank, float32 values, and in
most files a line end.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import orjson

from sagewright_algorithms.common.matrix import Floats

_BLOCK = 10_000


class MalformedVectorsError(ValueError):
    """The file is no list of word vectors."""


def write(path: Path, words: Sequence[str], vectors: Floats) -> None:
    """As gensim and spaCy read it; the shortest digits that give the same float32 back."""
    with path.open("wb") as output:
        output.write(b"%d %d\n" % vectors.shape)
        for start in range(0, len(words), _BLOCK):
            block = np.ascontiguousarray(vectors[start : start + _BLOCK])
            numbers = orjson.dumps(block, option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].replace(b",", b" ").split(b"] [")
            names = (word.encode("utf-8", "surrogateescape") for word in words[start : start + _BLOCK])
            output.write(b"".join(b"%b %b\n" % pair for pair in zip(names, numbers, strict=True)))


def read(content: bytes, binary: bool) -> tuple[list[str], Floats]:
    """Words and one row for each. Raises MalformedVectorsError."""
    try:
        head, _, rest = content.partition(b"\n")
        count, width = (int(number) for number in head.split())
        if count < 0 or width <= 0 or count * (width + 1) > len(rest):
            raise ValueError("it is cut off")
        return _binary(rest, count, width) if binary else _text(rest, count, width)
    except ValueError as error:
        raise MalformedVectorsError(f"not a file of word vectors: {error}") from error


def _text(content: bytes, count: int, width: int) -> tuple[list[str], Floats]:
    lines = [line.rsplit(b" ", width) for line in content.replace(b" \n", b"\n").split(b"\n")[:count]]
    if len(lines) != count or any(len(cells) != width + 1 for cells in lines):
        raise ValueError(f"it does not hold {count} lines of a word and {width} numbers")
    vectors = np.array([[float(cell) for cell in cells[1:]] for cells in lines], np.float32)
    return [cells[0].decode("utf-8", "replace") for cells in lines], vectors.reshape(count, width)


def _binary(content: bytes, count: int, width: int) -> tuple[list[str], Floats]:
    words, vectors, at = [], np.empty((count, width), np.float32), 0
    for row in range(count):
        end = content.index(b" ", at)
        words.append(content[at:end].lstrip(b"\n").decode("utf-8", "replace"))
        at = end + 1 + 4 * width
        if at > len(content):
            raise ValueError("it is cut off")
        vectors[row] = np.frombuffer(content, "<f4", width, end + 1)
    return words, vectors
