"""The network: an entity's vector times the vector that a small perceptron makes of an address's bits; and its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.common.matrix import Floats, Integers
from sagewright_algorithms.ipinsights.events import bits

_BETA_1, _BETA_2, _EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-8)
_ADDRESS_BITS = 32


@dataclass(slots=True)
class Network:
    """``vectors`` [buckets, width]; ``layers``: (weights, bias) of the perceptron, ReLU between them."""

    vectors: Floats
    layers: list[tuple[Floats, Floats]]

    @classmethod
    def started(cls, buckets: int, width: int, hidden: int, random: np.random.Generator) -> Network:
        """``hidden`` layers before the one that makes the vector."""
        widths = [_ADDRESS_BITS] + [width] * (hidden + 1)
        layers = [
            (random.normal(0, np.sqrt(2 / before), (before, after)).astype(np.float32), np.zeros(after, np.float32))
            for before, after in pairwise(widths)
        ]
        return cls(random.normal(0, 1 / np.sqrt(width), (buckets, width)).astype(np.float32), layers)

    def arrays(self) -> dict[str, Floats]:
        """For the model file."""
        named = {"entity_embedding": self.vectors}
        for number, (weights, bias) in enumerate(self.layers):
            named |= {f"ip_encoder_{number}_weight": weights, f"ip_encoder_{number}_bias": bias}
        return named

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[np.float32]]) -> Network:
        """Raises KeyError, ValueError when they are not a network's."""
        count = sum(name.endswith("_weight") for name in arrays)
        layers = [(arrays[f"ip_encoder_{number}_weight"], arrays[f"ip_encoder_{number}_bias"]) for number in range(count)]
        widths = [_ADDRESS_BITS, *(len(bias) for _, bias in layers)]
        vectors = arrays["entity_embedding"]
        shapes = [weights.shape for weights, _ in layers]
        if not layers or shapes != list(pairwise(widths)) or vectors.shape[1:] != (widths[-1],):
            raise ValueError("the layers of the model do not fit together")
        return cls(vectors, layers)

    def address_vectors(self, addresses: Integers) -> Floats:
        """[addresses, width]."""
        return self.activations(addresses)[-1]

    def scores(self, entities: Integers, addresses: Integers) -> Floats:
        """Higher is more usual."""
        return np.asarray((self.vectors[entities] * self.address_vectors(addresses)).sum(axis=1))

    def activations(self, addresses: Integers) -> list[Floats]:
        """The bits, and what each layer makes of the one before."""
        found = [bits(addresses)]
        for number, (weights, bias) in enumerate(self.layers):
            made = found[-1] @ weights + bias
            found.append(np.maximum(made, 0) if number + 1 < len(self.layers) else made)
        return found

    def slopes(self, vectors: Floats, activations: list[Floats], errors: Floats) -> tuple[Floats, list[tuple[Floats, Floats]]]:
        """Of the entities' vectors, and of every layer. ``errors``: the slope of the loss along each score."""
        back, found = errors[:, None] * vectors, []
        for number in range(len(self.layers) - 1, -1, -1):
            found.append((activations[number].T @ back, back.sum(axis=0)))
            if number:
                back = (back @ self.layers[number][0].T) * (activations[number] > 0)
        return errors[:, None] * activations[-1], found[::-1]


class Trainer:
    """Adam with weight decay; entities that a batch does not have are left alone."""

    def __init__(self, network: Network, rate: float, decay: float) -> None:
        self._network = network
        self._rate, self._decay = np.float32(rate), np.float32(decay)
        self._vectors = _Moments(network.vectors)
        self._layers = [(_Moments(weights), _Moments(bias)) for weights, bias in network.layers]

    def step(self, entities: Integers, addresses: Integers, labels: Floats) -> Floats:
        """Along the mean cross entropy of real (1) and made-up (0) pairs; the scores before."""
        network = self._network
        activations, vectors = network.activations(addresses), network.vectors[entities]
        scores = np.asarray((vectors * activations[-1]).sum(axis=1))
        errors = (np.exp(-np.logaddexp(0, -scores)) - labels) / np.float32(len(labels))
        rows, layers = network.slopes(vectors, activations, errors.astype(np.float32))
        seen, place = np.unique(entities, return_inverse=True)
        summed = _summed(rows, place, len(seen))
        self._vectors.move(self._network.vectors, seen, summed, self._rate, self._decay)
        for number, (weights, bias) in enumerate(layers):
            everything = slice(None)
            self._layers[number][0].move(self._network.layers[number][0], everything, weights, self._rate, self._decay)
            self._layers[number][1].move(self._network.layers[number][1], everything, bias, self._rate, np.float32(0))
        return scores


class _Moments:
    """Adam's running means for one array."""

    def __init__(self, values: Floats) -> None:
        self._mean, self._square = np.zeros_like(values), np.zeros_like(values)
        self._steps = np.zeros(len(values), np.int64)

    def move(self, values: Floats, seen: Integers | slice, slopes: Floats, rate: np.float32, decay: np.float32) -> None:
        """The rows ``seen`` of ``values`` take a step."""
        slopes = slopes + decay * values[seen]
        self._steps[seen] += 1
        self._mean[seen] += (1 - _BETA_1) * (slopes - self._mean[seen])
        self._square[seen] += (1 - _BETA_2) * (np.square(slopes) - self._square[seen])
        taken = self._steps[seen].astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
        mean, square = self._mean[seen] / (1 - _BETA_1**taken), self._square[seen] / (1 - _BETA_2**taken)
        values[seen] -= (rate * mean / (np.sqrt(square) + _EPSILON)).astype(np.float32)


def _summed(rows: Floats, place: Integers, count: int) -> Floats:
    """The sum of the rows of each place."""
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(count))
    return np.asarray(np.add.reduceat(rows[order], starts, axis=0))
