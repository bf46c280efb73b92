"""Skip-gram with negative samples that a batch of context words shares (Ji et al., "Parallelizing Word2Vec in Shared and
Distributed Memory"): each batch is a product of small matrices, and hundreds of batches go through NumPy at a time.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from sagewright_algorithms.common.averaging import Averaging
from sagewright_algorithms.common.cluster import ALONE, Cluster
from sagewright_algorithms.common.matrix import Doubles, Floats

Ids = npt.NDArray[np.int32]
_BLOCK = 1 << 20
_NOISE_POWER = 0.75  # of the counts, as in word2vec
_NOISE_TABLE = 1 << 20
_POSITIONS, _UPDATES = 1024, 64
"""Positions learned at a time: so many at most, and so few that no word is moved more often than that at once."""


@dataclass(frozen=True, slots=True)
class Sentences:
    """Word numbers of a text, and the number of the sentence that each belongs to."""

    ids: Ids
    places: Ids

    def sampled(self, kept: Doubles, random: np.random.Generator) -> Sentences:
        """``kept``: the chance of each word to stay."""
        stays = random.random(len(self.ids)) < kept[self.ids]
        return Sentences(self.ids[stays], self.places[stays])

    def share(self, cluster: Cluster) -> Sentences:
        """Those that this host learns: every n-th of n hosts."""
        own = self.places % cluster.size == cluster.rank
        return Sentences(self.ids[own], self.places[own])


@dataclass(frozen=True, slots=True)
class Settings:
    """``group``: context words that share their negative samples; ``rate`` falls to 0 in a straight line."""

    window: int
    negatives: int
    group: int
    rate: float
    threshold: float
    epochs: int


@dataclass(frozen=True, slots=True)
class Progress:
    """After a chunk: the share of the training done, and the learning rate."""

    done: float
    rate: float


def read(text: Path, index: Mapping[bytes, int]) -> Sentences:
    """The words of ``index``, a sentence a line."""
    ids, lengths = array("i"), array("i")
    for block in _blocks(text):
        for line in block.split(b"\n"):
            row = [index[word] for word in line.split() if word in index]
            ids.extend(row)
            lengths.append(len(row))
    places = np.repeat(np.arange(len(lengths), dtype=np.int32), np.frombuffer(lengths, np.int32))
    return Sentences(np.frombuffer(ids, np.int32), places)


def train(
    sentences: Sentences,
    counts: Doubles,
    matrices: tuple[Floats, Floats],
    wanted: Settings,
    random: np.random.Generator,
    cluster: Cluster = ALONE,
) -> Iterator[Progress]:
    """Changes the input and output vectors. ``counts``: how often each word occurs; one of 0 is never drawn.

    Each host learns its own ``sentences``, and they meet several times an epoch.
    """
    averaging = Averaging(cluster, matrices)
    shares = np.maximum(counts / counts.sum(), 1e-12)
    kept = np.sqrt(wanted.threshold / shares) + wanted.threshold / shares
    noise = np.searchsorted(_cumulative(counts**_NOISE_POWER), (np.arange(_NOISE_TABLE) + 0.5) / _NOISE_TABLE).astype(np.int32)
    step = _chunk(shares * np.minimum(kept, 1.0), wanted)
    for epoch in range(wanted.epochs):
        text = sentences.sampled(kept, random)
        starts = range(0, len(text.ids), step)
        meetings = averaging.points(len(starts))
        for number, start in enumerate(starts):
            done = (epoch + start / len(text.ids)) / wanted.epochs
            rate = wanted.rate * (1 - done)
            contexts, used = _contexts(text, np.arange(start, min(start + step, len(text.ids))), wanted, random)
            _learn(matrices, contexts, used, _outputs(text.ids[start : start + step], contexts, noise, wanted, random), rate)
            if number in meetings:
                averaging.meet()
            yield Progress(done, rate)
    yield Progress(1.0, 0.0)


def _blocks(text: Path) -> Iterator[bytes]:
    """Whole words; a sentence may be cut, since a text of one line would not fit in memory as words."""
    rest = b""
    with text.open("rb") as content:
        while piece := content.read(_BLOCK):
            block = rest + piece
            end = max(block.rfind(b" "), block.rfind(b"\n")) + 1
            rest = block[end:]
            yield block[:end]
    yield rest


def _cumulative(weights: Doubles) -> Doubles:
    total = np.cumsum(weights)
    return np.asarray(total / total[-1])


def _chunk(shares: Doubles, wanted: Settings) -> int:
    often = float(shares.max() / shares.sum()) * (wanted.window + 1)
    return int(np.clip(_UPDATES / often, 1, _POSITIONS))


def _contexts(
    text: Sentences, positions: npt.NDArray[np.int64], wanted: Settings, random: np.random.Generator
) -> tuple[Ids, npt.NDArray[np.bool_]]:
    """Words around each position [batches, group], and which of them count: a random part of the window, one sentence."""
    offsets = np.delete(np.arange(-wanted.window, wanted.window + 1), wanted.window)
    widths = random.integers(1, wanted.window + 1, len(positions))
    around = positions[:, None] + offsets
    used = (around >= 0) & (around < len(text.ids)) & (np.abs(offsets) <= widths[:, None])
    around = np.clip(around, 0, len(text.ids) - 1)
    used &= text.places[around] == text.places[positions][:, None]
    words, spare = text.ids[around], -len(offsets) % min(wanted.group, len(offsets))
    words, used = np.pad(words, ((0, 0), (0, spare))), np.pad(used, ((0, 0), (0, spare)))
    group = min(wanted.group, len(offsets))
    return words.reshape(-1, group), used.reshape(-1, group)


def _outputs(centres: Ids, contexts: Ids, noise: Ids, wanted: Settings, random: np.random.Generator) -> Ids:
    """For each batch the word in the middle, and behind it words by chance."""
    found = np.empty((len(contexts), 1 + wanted.negatives), np.int32)
    found[:, 0] = np.repeat(centres, len(contexts) // len(centres))
    found[:, 1:] = noise[random.integers(0, _NOISE_TABLE, (len(contexts), wanted.negatives))]
    return found


def _learn(matrices: tuple[Floats, Floats], contexts: Ids, used: npt.NDArray[np.bool_], outputs: Ids, rate: float) -> None:
    """One step along the log likelihood of telling the middle from chance."""
    inner, outer = matrices
    left, right = inner[contexts], outer[outputs]
    with np.errstate(over="ignore", invalid="ignore"):  # exp of a large number: the slope is 0, as it should be
        slopes = -1 / (1 + np.exp(-(left @ right.transpose(0, 2, 1))))
    slopes[:, :, 0] += 1
    slopes[:, :, 1:] *= (outputs[:, 1:] != outputs[:, :1])[:, None, :]
    slopes *= np.float32(rate) * used[:, :, None]
    width, chosen = inner.shape[1], used.ravel()
    back = slopes.transpose(0, 2, 1) @ left
    _add(inner, contexts.ravel()[chosen], (slopes @ right).reshape(-1, width)[chosen])
    _add(outer, outputs.ravel(), back.reshape(-1, width))


def _add(table: Floats, ids: Ids, rows: Floats) -> None:
    """``np.add.at`` for rows, many times faster: a sparse matrix sums what goes to one place."""
    order = np.argsort(ids, kind="stable")
    sorted_ids = ids[order]
    starts = np.flatnonzero(np.concatenate([[True], sorted_ids[1:] != sorted_ids[:-1]])) if len(ids) else np.zeros(0, int)
    sums = csr_matrix((np.ones(len(ids), np.float32), order, np.append(starts, len(ids))), shape=(len(starts), len(ids)))
    table[sorted_ids[starts]] += sums @ rows
