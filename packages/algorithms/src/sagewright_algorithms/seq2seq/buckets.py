"""Batches of pairs of about the same lengths."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sagewright_algorithms.common.matrix import Integers
from sagewright_algorithms.seq2seq.sentence_pairs import SentencePairs

_SMALLEST = 2


def of_pairs(pairs: SentencePairs, width: int, longest: tuple[int, int]) -> Integers:
    """The number of each pair's bucket: the first one that both its sides fit in."""
    lengths = pairs.source.lengths, pairs.target.lengths
    borders = define(width, longest, pairs.length_ratio()[0])
    numbers = [np.searchsorted(borders[:, side], lengths[side]) for side in (0, 1)]
    return np.minimum(np.maximum(*numbers), len(borders) - 1)


def define(width: int, longest: tuple[int, int], ratio: float) -> Integers:
    """(source, target) lengths up to ``longest``, ascending. ``ratio``: mean length of targets over that of sources.

    The longer side takes steps of ``width``, the other one steps that are shorter by the ratio; when one side is at its longest
    before the other, it stays there (DG:seq-2-seq-hyperparameters, bucket_width).
    """
    steps = (width / ratio, width) if ratio >= 1 else (width, width * ratio)
    sides = [_borders(max(_SMALLEST, int(step)), most) for step, most in zip(steps, longest, strict=True)]
    count = max(map(len, sides))
    return np.column_stack([np.pad(side, (0, count - len(side)), "edge") for side in sides])


def batches(buckets: Integers, size: int, random: np.random.Generator) -> Iterator[Integers]:
    """Every pair once; a batch is of one bucket."""
    order = random.permutation(len(buckets))
    order = order[np.argsort(buckets[order], kind="stable")]
    ends = np.flatnonzero(np.diff(buckets[order])) + 1
    found = [bucket[start : start + size] for bucket in np.split(order, ends) for start in range(0, len(bucket), size)]
    for number in random.permutation(len(found)):
        yield found[number]


def _borders(step: int, longest: int) -> Integers:
    return np.append(np.arange(step, longest, step), longest)
