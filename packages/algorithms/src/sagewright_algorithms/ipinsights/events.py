"""Pairs of an entity and an IPv4 address, as text and as numbers."""

from __future__ import annotations

import csv
import socket
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common.matrix import Floats, Integers

_BLOCK = 1000
_BITS = np.arange(31, -1, -1, dtype=np.int64)


class MalformedEventsError(ValueError):
    """``first`` and ``last`` are the rows (from 1) of the block that holds the culprit."""

    def __init__(self, text: str, first: int = 1, last: int = 1) -> None:
        super().__init__(text)
        self.first = first
        self.last = last


@dataclass(frozen=True, slots=True)
class Events:
    """``entities`` are buckets of the hash, ``addresses`` numbers below 2³²."""

    entities: Integers
    addresses: Integers

    def __len__(self) -> int:
        return len(self.entities)


def read_csv(content: bytes, buckets: int) -> Events:
    """``entity_id, 192.168.1.2`` per line. Raises MalformedEventsError."""
    lines = [line for line in content.splitlines() if line.strip()]
    parts = []
    for start in range(0, len(lines), _BLOCK):
        block = lines[start : start + _BLOCK]
        try:
            text = [line.decode("utf-8-sig") for line in block]
            parts.append(of_pairs(list(csv.reader(text, skipinitialspace=True)), buckets))
        except (ValueError, csv.Error) as error:
            raise MalformedEventsError(str(error), start + 1, start + len(block)) from error
    return joined(parts)


def joined(parts: Sequence[Events]) -> Events:
    """All events of all parts."""
    nothing = np.zeros(0, np.int64)
    return Events(
        np.concatenate([nothing, *(part.entities for part in parts)]),
        np.concatenate([nothing, *(part.addresses for part in parts)]),
    )


def of_pairs(pairs: Sequence[Sequence[object]], buckets: int) -> Events:
    """Raises MalformedEventsError when something is no pair of a text and an address."""
    for pair in pairs:
        if len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise MalformedEventsError(f"{list(pair)[:4]} is not an entity and an IPv4 address")
    entities = (zlib.crc32(str(entity).strip().encode()) % buckets for entity, _ in pairs)
    return Events(np.fromiter(entities, np.int64, len(pairs)), _addresses(str(address) for _, address in pairs))


def bits(addresses: Integers) -> Floats:
    """The 32 bits of each address, as -1 and 1, the highest first."""
    return ((addresses[:, None] >> _BITS & 1) * 2 - 1).astype(np.float32)


def _addresses(texts: Iterable[str]) -> Integers:
    packed = []
    for text in texts:
        try:
            packed.append(socket.inet_pton(socket.AF_INET, text.strip()))
        except OSError as error:
            raise MalformedEventsError(f"{text[:40]!r} is not an IPv4 address") from error
    return np.frombuffer(b"".join(packed), ">u4").astype(np.int64)
