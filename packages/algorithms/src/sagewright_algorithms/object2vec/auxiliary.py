"""Pretrained token vectors: a text file of words and their vectors, and a JSON file that says which word has which id."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import orjson

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.object2vec.settings import EncoderSettings


def vectors(folder: Path, encoder: EncoderSettings, random: np.random.Generator, scale: float) -> tuple[Floats, int]:
    """[vocab_size, token_embedding_dim] and how many words the file knew; other words start uniformly within ``scale``.

    Raises ClientError.
    """
    if not encoder.vocab_file:
        raise ClientError("A pretrained embedding file needs a vocabulary file: enc0_vocab_file, enc1_vocab_file")
    ids = _vocabulary(folder / encoder.vocab_file, encoder.vocab_size)
    shape = encoder.vocab_size, encoder.token_embedding_dim
    table = random.uniform(-scale, scale, shape).astype(np.float32)
    return table, _fill(table, folder / encoder.embedding_file, ids)


def _vocabulary(file: Path, size: int) -> Mapping[str, int]:
    try:
        ids = orjson.loads(_content(file))
    except orjson.JSONDecodeError as error:
        raise ClientError(f"The vocabulary file {file.name} is not JSON: {error}") from error
    if not isinstance(ids, dict) or not all(type(number) is int for number in ids.values()):
        raise ClientError(f"The vocabulary file {file.name} is not a JSON object from words to ids")
    largest = max(ids.values(), default=0)
    if largest >= size or min(ids.values(), default=0) < 0:
        raise ClientError(f"The vocabulary file {file.name} has the id {largest}, which is not less than vocab_size={size}")
    return ids


def _fill(table: Floats, file: Path, ids: Mapping[str, int]) -> int:
    """A line is a word and its numbers; a first line of two numbers (count and width) is skipped, as fastText has it."""
    width, known = table.shape[1], 0
    lines = _content(file).decode("utf-8", "replace").splitlines()
    if lines and len(lines[0].split()) == 2 != width + 1:
        del lines[0]
    if lines and len(lines[0].split()) != width + 1:
        raise ClientError(
            f"The pretrained embedding file {file.name} holds vectors of {len(lines[0].split()) - 1} numbers, "
            f"token_embedding_dim is {width}"
        )
    for line in lines:
        word, *numbers = line.rstrip().rsplit(" ", width)  # GloVe has words with spaces in them
        if word not in ids:
            continue
        try:
            table[ids[word]] = np.array(numbers, np.float32).reshape(width)
        except ValueError as error:
            raise ClientError(
                f"The pretrained embedding file {file.name} is malformed at the word {word!r}: {error}"
            ) from error
        known += 1
    return known


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ClientError(f"The auxiliary channel has no file {file.name}: {error.strerror}") from error
