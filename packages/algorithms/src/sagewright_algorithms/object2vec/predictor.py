"""Answers of a trained network: scores of pairs, embeddings of single sequences (DG:object2vec-inference-formats)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from sagewright_algorithms.common.documents import json_documents
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.common.requests import UnreadablePayloadError
from sagewright_algorithms.common.sequences import Sequences, of_rows
from sagewright_algorithms.object2vec import batches, pairs
from sagewright_algorithms.object2vec.network import Network
from sagewright_algorithms.object2vec.pairs import LONGEST, MalformedPairsError
from sagewright_algorithms.object2vec.training import placed

_TOGETHER = 256
_SIDES = "in0", "in1"
_PARAMETER = "infer_max_seqlens"


class Item(NamedTuple):
    """One or both of the sequences."""

    left: list[int] | None
    right: list[int] | None


class Predictor:
    """``network`` is ready for inference."""

    top = "predictions"

    def __init__(self, network: Network) -> None:
        self._network = network

    def read(self, body: bytes, content_type: str, parameters: Mapping[str, str]) -> list[Item]:
        """Raises UnreadablePayloadError."""
        found = json_documents(body, content_type)
        if not all(isinstance(document, dict) and any(name in document for name in _SIDES) for document in found):
            raise UnreadablePayloadError('an instance has neither "in0" nor "in1"')
        encoders = self._network.settings.encoders
        longest = _longest(parameters.get(_PARAMETER, ""), (encoders[0].max_seq_len, encoders[1].max_seq_len))
        try:
            sides = [
                iter(pairs.rows([document for document in found if name in document], name, encoder.vocab_size, most))
                for name, encoder, most in zip(_SIDES, encoders, longest, strict=True)
            ]
        except MalformedPairsError as error:
            raise UnreadablePayloadError(str(error)) from error
        return [
            Item(*(next(side) if name in document else None for name, side in zip(_SIDES, sides, strict=True)))
            for document in found
        ]

    def answer(self, items: list[Item]) -> list[dict[str, Any]]:
        """``{"scores": [...]}`` for pairs, ``{"embeddings": [...]}`` for one sequence."""
        answers: list[dict[str, Any]] = [{}] * len(items)
        kinds = [(item.left is not None, item.right is not None) for item in items]
        with torch.inference_mode():
            for kind in sorted(set(kinds)):
                rows = [row for row, found in enumerate(kinds) if found == kind]
                sides = [
                    of_rows([items[row][side] or [] for row in rows]) if asked else None for side, asked in enumerate(kind)
                ]
                name = "scores" if all(kind) else "embeddings"
                for row, values in zip(rows, self._values(sides).tolist(), strict=True):
                    answers[row] = {name: values}
        return answers

    def _values(self, sides: list[Sequences | None]) -> Floats:
        """Of items of one kind, sequences of about the same length together."""
        lengths = np.sum([side.lengths for side in sides if side is not None], axis=0)
        if len(lengths) == 1:
            return self._batch(sides)
        order = batches.by_length(lengths, _TOGETHER)
        found = [self._batch([None if side is None else side.take(rows) for side in sides]) for rows in order]
        values = np.empty((len(lengths), found[0].shape[1]), np.float32)
        values[np.concatenate(order)] = np.concatenate(found)
        return values

    def _batch(self, sides: list[Sequences | None]) -> Floats:
        network = self._network
        encoded = [network.encode(number, *placed(network, side)) for number, side in enumerate(sides) if side is not None]
        values = encoded[0]
        if len(encoded) == 2:
            outputs = network.compare(*encoded)
            values = outputs if network.settings.regression else outputs.softmax(dim=1)
        return np.asarray(values.cpu().numpy(), np.float32)


def _longest(text: str, usual: tuple[int, int]) -> tuple[int, int]:
    """The parameter ``infer_max_seqlens=<in0>,<in1>`` of the content type."""
    if not text:
        return usual
    first, _, second = text.partition(",")
    if not all(part.strip().isdecimal() and 1 <= int(part) <= LONGEST for part in (first, second)):
        raise UnreadablePayloadError(f"{_PARAMETER} needs two integers from 1 to {LONGEST}, not {text!r}")
    return int(first), int(second)
