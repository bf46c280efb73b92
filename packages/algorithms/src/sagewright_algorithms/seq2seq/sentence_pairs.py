"""Training and validation data: pairs of sequences, checked against the vocabularies and cut at their longest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sagewright_algorithms.common import log, sequences
from sagewright_algorithms.common.channels import NOTHING, RECORDIO, Channel, files, media_type
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.sequences import Indices, Sequences
from sagewright_algorithms.recordio import MalformedRecordError
from sagewright_algorithms.seq2seq import token_records


@dataclass(frozen=True, slots=True)
class SentencePairs:
    """Neither side of a pair is empty."""

    source: Sequences
    target: Sequences

    def __len__(self) -> int:
        return len(self.source)

    def take(self, rows: Indices) -> SentencePairs:
        """The pairs of these rows."""
        return SentencePairs(self.source.take(rows), self.target.take(rows))

    def length_ratio(self) -> tuple[float, float]:
        """Mean and standard deviation of the lengths of targets over those of their sources."""
        ratios = self.target.lengths / self.source.lengths
        return float(ratios.mean()), float(ratios.std())


def read(folder: Path, channel: Channel, vocabularies: tuple[int, int], longest: tuple[int, int]) -> SentencePairs:
    """All pairs of a channel; ``vocabularies`` are the numbers of words of both sides. Raises ClientError."""
    media_type(channel, RECORDIO)
    parts = [_read(file) for file in files(folder) if file.stat().st_size]
    sides = [sequences.joined([part[side] for part in parts]) for side in ("source", "target")]
    for side, words, vocabulary in zip(sides, ("source", "target"), vocabularies, strict=True):
        _check(side, words, vocabulary, folder.name)
    full = np.flatnonzero((sides[0].lengths > 0) & (sides[1].lengths > 0))
    if not len(full):
        raise ClientError(NOTHING)
    if len(full) < len(sides[0]):
        log.info(f"{len(sides[0]) - len(full)} records of the channel {folder.name} have no tokens and are left out")
    return SentencePairs(sides[0].take(full).cut(longest[0]), sides[1].take(full).cut(longest[1]))


def _read(file: Path) -> dict[str, Sequences]:
    try:
        return token_records.read(file.read_bytes())
    except MalformedRecordError as error:
        raise ClientError(f"Unable to read recordio-protobuf: {error}, file {file}") from error


def _check(side: Sequences, name: str, vocabulary: int, channel: str) -> None:
    outside = side.tokens[(side.tokens < 0) | (side.tokens >= vocabulary)]
    if len(outside):
        raise ClientError(
            f"The channel {channel} has the {name} token {outside[0]}, which is not an id of its vocabulary of {vocabulary} words"
        )
