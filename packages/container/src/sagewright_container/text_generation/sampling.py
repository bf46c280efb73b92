"""From a model's logits to the next token; the distributions are transformers' own."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
    WatermarkLogitsProcessor,
)

from sagewright_container.text_generation.parameters import Parameters


class Choice(NamedTuple):
    """A token's id, its log-probability, and the same of the most probable ones."""

    id: int
    logprob: float
    alternatives: list[tuple[int, float]]


class Sampler:
    """Chooses the tokens of one text; the same seed gives the same choices."""

    def __init__(self, parameters: Parameters, vocabulary: int) -> None:
        self._parameters = parameters
        self._processors: Any = LogitsProcessorList(_processors(parameters, vocabulary))
        self._generator = torch.Generator().manual_seed(parameters.seed) if parameters.sample else None

    def choose(self, ids: list[int], prompt: int, logits: torch.Tensor) -> Choice:
        """``logits`` [vocabulary] for what follows ``ids``, of which the first ``prompt`` were given."""
        scores = self._penalised(ids[prompt:], logits.float().cpu())[None]
        if self._processors:
            scores = self._processors(torch.tensor([ids]), scores)
        logprobs = torch.log_softmax(scores[0], -1)
        if self._generator is None:
            picked = int(logprobs.argmax())
        else:
            picked = int(torch.multinomial(logprobs.exp(), 1, generator=self._generator))
        return Choice(picked, float(logprobs[picked]), top(logprobs, self._parameters.alternatives))

    def _penalised(self, generated: list[int], logits: torch.Tensor) -> torch.Tensor:
        """OpenAI's penalties: by how often a token was generated, and for being there at all."""
        frequency, presence = self._parameters.frequency_penalty, self._parameters.presence_penalty
        if not generated or not (frequency or presence):
            return logits
        counts = Counter(generated)
        seen = torch.tensor(list(counts))
        often = torch.tensor(list(counts.values()), dtype=logits.dtype)
        return logits.index_add(0, seen, -(frequency * often + presence))


def top(logprobs: torch.Tensor, count: int) -> list[tuple[int, float]]:
    """The most probable tokens of [vocabulary]; one that cannot come is left out."""
    if not count:
        return []
    found = logprobs.topk(min(count, len(logprobs)))
    pairs = zip(found.indices.tolist(), found.values.tolist())  # noqa: B905 - Python 3.9
    return [(id_, value) for id_, value in pairs if value > -float("inf")]


def _processors(given: Parameters, vocabulary: int) -> list[object]:
    """In the order that TGI applies them."""
    found: list[object] = []
    if given.watermark:
        found.append(WatermarkLogitsProcessor(vocabulary, "cpu"))
    if given.repetition_penalty != 1.0:
        found.append(RepetitionPenaltyLogitsProcessor(given.repetition_penalty))
    if given.sample:
        found += _warpers(given)
    return found


def _warpers(given: Parameters) -> list[object]:
    found: list[object] = []
    if given.temperature != 1.0:
        found.append(TemperatureLogitsWarper(given.temperature))
    if given.top_k:
        found.append(TopKLogitsWarper(given.top_k))
    if given.top_p < 1.0:
        found.append(TopPLogitsWarper(given.top_p))
    if given.typical_p < 1.0:
        found.append(TypicalLogitsWarper(given.typical_p))
    if given.min_p:
        found.append(MinPLogitsWarper(given.min_p))
    return found
