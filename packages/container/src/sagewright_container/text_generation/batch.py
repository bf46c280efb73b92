"""Texts that are decoded together: one pass of the model gives the next token of each.

Rows of different lengths share one cache of keys and values, padded at the left; a mask keeps the padding out. A row joins with a
cache of its own, which the pass over its prompt has filled, and leaves when its text is done.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from transformers import DynamicCache

Pair = tuple[Any, Any]
"""Keys and values of a layer [rows, heads, tokens, size]; None where a layer shares another's."""


class Batch:
    """The rows of a causal language model. Called by one thread."""

    def __init__(self, network: Any) -> None:
        self._network = network
        taken = inspect.signature(network.forward).parameters
        self._takes_positions = "position_ids" in taken
        self._takes_last = "logits_to_keep" in taken
        self._cache: Any = None
        self._mask = torch.ones(0, 0, dtype=torch.long)

    def __len__(self) -> int:
        return len(self._mask)

    @torch.inference_mode()
    def add(self, ids: list[int], whole: bool = False) -> torch.Tensor:
        """A new last row with this prompt; the logits after it [1, vocabulary], or after each of its tokens (``whole``)."""
        cache, mask = DynamicCache(), torch.ones(1, len(ids), dtype=torch.long)
        logits = self._pass(torch.tensor([ids]), mask, cache, not whole)
        self._join(cache, mask)
        return logits[0] if whole else logits[0, -1:]

    @torch.inference_mode()
    def step(self, last: list[int]) -> torch.Tensor:
        """Appends a token to each row; the logits of what follows [rows, vocabulary]."""
        self._mask = torch.cat([self._mask, torch.ones(len(last), 1, dtype=torch.long)], 1)
        return self._pass(torch.tensor(last)[:, None], self._mask, self._cache, True)[:, -1]

    @torch.inference_mode()
    def keep(self, rows: list[int]) -> None:
        """Lets go of all others, and of padding that no row needs any more."""
        if len(rows) == len(self):
            return
        if not rows:
            self._cache, self._mask = None, self._mask[:0, :0]
            return
        self._mask = self._mask[rows]
        cut = int(self._mask.argmax(1).min())
        self._mask = self._mask[:, cut:]
        chosen = torch.tensor(rows)
        self._cache = _cache([_of(layer, lambda states: states[chosen, :, cut:]) for layer in self._cache.layers])

    def _join(self, cache: Any, mask: torch.Tensor) -> None:
        if self._cache is None:
            self._cache, self._mask = cache, mask
            return
        length = max(mask.shape[1], self._mask.shape[1])
        ours, theirs = length - self._mask.shape[1], length - mask.shape[1]
        self._mask = torch.cat([_left(self._mask, ours), _left(mask, theirs)])
        self._cache = _cache(
            [
                _together(_of(old, lambda states: _above(states, ours)), _of(new, lambda states: _above(states, theirs)))
                for old, new in zip(self._cache.layers, cache.layers)  # noqa: B905 - Python 3.9
            ]
        )

    def _pass(self, ids: torch.Tensor, mask: torch.Tensor, cache: Any, last: bool) -> torch.Tensor:
        device = self._network.device
        given: dict[str, Any] = {"past_key_values": cache, "use_cache": True}
        if self._takes_positions:
            given["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :].to(device)
        if self._takes_last and last:
            given["logits_to_keep"] = 1
        found: torch.Tensor = self._network(input_ids=ids.to(device), attention_mask=mask.to(device), **given).logits
        return found


def _of(layer: Any, change: Any) -> Pair:
    if layer.keys is None:
        return None, None
    return change(layer.keys), change(layer.values)


def _together(one: Pair, other: Pair) -> Pair:
    if one[0] is None:
        return one
    return torch.cat([one[0], other[0]]), torch.cat([one[1], other[1]])


def _cache(pairs: list[Pair]) -> Any:
    return DynamicCache(pairs)


def _left(mask: torch.Tensor, by: int) -> torch.Tensor:
    return torch.nn.functional.pad(mask, (by, 0))


def _above(states: torch.Tensor, by: int) -> torch.Tensor:
    return torch.nn.functional.pad(states, (0, 0, by, 0))
