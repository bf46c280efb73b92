"""Which pairs go into which batch."""

from __future__ import annotations

import numpy as np

from sagewright_algorithms.common.matrix import Integers
from sagewright_algorithms.object2vec.pairs import Pairs


def shuffled(pairs: Pairs, size: int, bucket_width: int, random: np.random.Generator) -> list[Integers]:
    """Every pair once, in random order; with a ``bucket_width``, only pairs of about the same lengths share a batch."""
    order = random.permutation(len(pairs))
    if not bucket_width:
        return _cut(order, size)
    buckets = np.column_stack([side.lengths[order] // bucket_width for side in (pairs.left, pairs.right)])
    by_bucket = np.lexsort((buckets[:, 1], buckets[:, 0]))  # stable: within a bucket the order stays random
    ends = np.flatnonzero(np.diff(buckets[by_bucket], axis=0).any(axis=1)) + 1
    found = [batch for bucket in np.split(order[by_bucket], ends) for batch in _cut(bucket, size)]
    return [found[number] for number in random.permutation(len(found))]


def by_length(lengths: Integers, size: int) -> list[Integers]:
    """Every row once, rows of about the same length together: little is padded."""
    return _cut(np.argsort(lengths, kind="stable"), size)


def _cut(order: Integers, size: int) -> list[Integers]:
    return [order[start : start + size] for start in range(0, len(order), size)]
