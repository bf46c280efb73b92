"""One text while it is generated: its tokens, what of them can be shown, why it ends."""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import torch

from sagewright_container.text_generation.lora import Lora
from sagewright_container.text_generation.parameters import Parameters, Refusal, Step, Token
from sagewright_container.text_generation.sampling import Choice, Sampler, top

_INCOMPLETE = "\ufffd"  # bytes of a character whose rest is yet to come


class Generation:
    """The engine's thread calls ``prompted``, ``take`` and ``fail``; another iterates, once, and may ``cancel``."""

    def __init__(
        self,
        tokenizer: Any,
        ends: frozenset[int],
        prompt: list[int],
        given: Parameters,
        vocabulary: int,
        adapter: Lora | None = None,
    ) -> None:
        self.prompt = prompt
        self.parameters = given
        self.adapter = adapter
        self.prefill: list[Token] = []
        self.finished = False
        self._tokenizer = tokenizer
        self._ends = ends
        self._ids = list(prompt)
        self._special = frozenset(tokenizer.all_special_ids)
        self._sampler = Sampler(given, vocabulary)
        self._detokenizer = _Detokenizer(tokenizer, self._ids)
        self._shown = _Shown(given.stop, given.keeps_stop)
        self._steps: SimpleQueue[Step | Refusal] = SimpleQueue()

    @property
    def last(self) -> int:
        """The id of the newest token."""
        return self._ids[-1]

    def __iter__(self) -> Iterator[Step]:
        """Each token when it is made. Raises Refusal when generation fails."""
        while True:
            step = self._steps.get()
            if isinstance(step, Refusal):
                raise step
            yield step
            if step.finish_reason:
                return

    def cancel(self) -> None:
        """Nobody listens any more."""
        self.finished = True

    def prompted(self, logits: torch.Tensor) -> None:
        """The first token, of the logits of the prompt [1 or tokens, vocabulary]."""
        if self.parameters.scores_prompt:
            self.prefill = self._scored(logits.float().cpu())
        self.take(logits[-1])

    def take(self, logits: torch.Tensor) -> None:
        """One token more, of [vocabulary]."""
        choice = self._sampler.choose(self._ids, len(self.prompt), logits)
        self._ids.append(choice.id)
        text, special = self._detokenizer.text(), choice.id in self._special
        ended = choice.id in self._ends and not self.parameters.ignores_end
        made = len(self._ids) - len(self.prompt)
        shown, stopped = self._shown.add("" if special else text)
        reason = "eos_token" if ended else "stop_sequence" if stopped else ""
        if not reason and made >= self.parameters.max_new_tokens:
            reason = "length"
        if reason and not stopped:
            shown += self._shown.rest("" if ended else self._detokenizer.rest())
        self.finished = bool(reason) or self.finished
        self._steps.put(Step(self._token(choice, text, special), shown, reason))

    def fail(self, reason: Refusal) -> None:
        """Whoever iterates gets this."""
        self.finished = True
        self._steps.put(reason)

    def _token(self, choice: Choice, text: str, special: bool) -> Token:
        others = tuple(self._other(id_, logprob) for id_, logprob in choice.alternatives)
        return Token(choice.id, self._tokenizer.decode([choice.id]) if special else text, choice.logprob, special, others)

    def _other(self, id_: int, logprob: float) -> Token:
        return Token(id_, self._tokenizer.decode([id_]), logprob, id_ in self._special)

    def _scored(self, logits: torch.Tensor) -> list[Token]:
        """The prompt's tokens, each with its log-probability after those before it."""
        logprobs = torch.log_softmax(logits, -1)
        first = Token(self.prompt[0], self._tokenizer.decode([self.prompt[0]]), None, self.prompt[0] in self._special)
        return [first, *(self._scored_one(id_, logprobs[place]) for place, id_ in enumerate(self.prompt[1:]))]

    def _scored_one(self, id_: int, logprobs: torch.Tensor) -> Token:
        others = tuple(self._other(*other) for other in top(logprobs, self.parameters.alternatives))
        return Token(id_, self._tokenizer.decode([id_]), float(logprobs[id_]), id_ in self._special, others)


class _Detokenizer:
    """The text of the newest tokens: a token has none of its own, it depends on its neighbours (spaces, bytes of a character)."""

    def __init__(self, tokenizer: Any, ids: list[int]) -> None:
        self._decode = tokenizer.decode
        self._ids = ids
        self._before = max(0, len(ids) - 5)
        self._read = len(ids)

    def text(self) -> str:
        """What the ids since the last call add, "" while that is no whole character."""
        known, now = self._decode(self._ids[self._before : self._read]), self._decode(self._ids[self._before :])
        if len(now) <= len(known) or now.endswith(_INCOMPLETE):
            return ""
        self._before, self._read = self._read, len(self._ids)
        return str(now[len(known) :])

    def rest(self) -> str:
        """What is left when no more tokens come."""
        known, now = self._decode(self._ids[self._before : self._read]), self._decode(self._ids[self._before :])
        return str(now[len(known) :])


class _Shown:
    """Holds back what may be the beginning of a stop sequence that is not to be seen."""

    def __init__(self, stops: tuple[str, ...], keeps: bool) -> None:
        self._stops = stops
        self._keeps = keeps
        self._held = ""
        self._tail = max(map(len, stops), default=0)

    def add(self, text: str) -> tuple[str, bool]:
        """What can be shown now, and whether a stop sequence is complete."""
        self._held += text
        found = min(((self._held.find(stop), stop) for stop in self._stops if stop in self._held), default=None)
        if self._keeps:
            return self._kept(text, found is not None)
        if found is not None:
            return self._held[: found[0]], True
        kept = self._beginning()
        shown, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
        return shown, False

    def rest(self, more: str) -> str:
        """What was held back, when no stop sequence came of it."""
        return more if self._keeps else self._held + more

    def _kept(self, text: str, stopped: bool) -> tuple[str, bool]:
        self._held = self._held[-self._tail :] if self._tail else ""
        return text, stopped

    def _beginning(self) -> int:
        """How many characters at the end may become a stop sequence."""
        lengths = range(min(self._tail, len(self._held)), 0, -1)
        return next((n for n in lengths if any(stop.startswith(self._held[-n:]) for stop in self._stops)), 0)
