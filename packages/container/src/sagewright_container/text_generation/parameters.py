"""How one text is to be generated, whichever server's words asked for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameters:
    """Defaults leave the model's distribution as it is.

    ``keeps_stop``: the text ends with the stop sequence (TGI) or before it (OpenAI, LMI). ``alternatives`` is how many of the most
    probable tokens are told at each step, ``scores_prompt`` whether log-probabilities of the prompt are.
    """

    max_new_tokens: int = 100
    sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    typical_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    stop: tuple[str, ...] = ()
    keeps_stop: bool = False
    seed: int = 0
    watermark: bool = False
    ignores_end: bool = False
    alternatives: int = 0
    scores_prompt: bool = False


@dataclass(frozen=True)
class Token:
    """``logprob`` is None for the first token of a prompt."""

    id: int
    text: str
    logprob: float | None
    special: bool
    alternatives: tuple[Token, ...] = ()


@dataclass(frozen=True)
class Step:
    """One generated token. ``text`` is what it adds to the answer: "" while a character or a stop sequence is incomplete.

    ``finish_reason`` is "" but for the last: length, eos_token or stop_sequence.
    """

    token: Token
    text: str
    finish_reason: str = ""


class Refusal(Exception):
    """A request cannot be answered. ``kind``: malformed, validation, template, tool, overloaded, unknown (adapter) or generation."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
