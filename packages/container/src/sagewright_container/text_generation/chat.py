"""The OpenAI form of a request, chat and completions, as all three servers have it (API reference: chat/create, completions/create)."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sagewright_container.serving.message import Response
from sagewright_container.text_generation.fields import Fields
from sagewright_container.text_generation.model import TextModel, random_seed
from sagewright_container.text_generation.parameters import Parameters, Refusal, Step, Token

_MOST_CHOICES = 16
_REASONS = {"length": "length", "eos_token": "stop", "stop_sequence": "stop"}


@dataclass(frozen=True)
class Style:
    """What the servers differ in. ``error`` writes a failure into a stream; ``lines``: JSON lines instead of events."""

    error: Callable[[Refusal], dict[str, Any]]
    keeps_stop: bool = False
    own_reasons: bool = False
    lines: bool = False
    fingerprint: str = ""


class _Form(Protocol):
    """Chat or completion."""

    prefix: str
    whole: str
    piece: str

    def choice(self, index: int, steps: list[Step], reason: str | None) -> dict[str, Any]: ...

    def delta(self, step: Step, first: bool, reason: str | None) -> dict[str, Any]: ...


class OpenAi:
    """Answers requests with ``messages`` or ``prompt``."""

    def __init__(self, model: TextModel, style: Style) -> None:
        self._model = model
        self._style = style

    def chat(self, fields: Fields) -> Response:
        """Raises Refusal."""
        _unsupported(fields)
        tools = fields.raw("tools") if fields.raw("tool_choice") != "none" else None
        prompt = self._model.tokens(self._model.chat(_messages(fields), tools), special=False)
        alternatives = fields.whole("top_logprobs", 0, 0, 20)
        return self._answer(
            _Chat(fields.truth("logprobs")), fields, prompt, alternatives, ("max_completion_tokens", "max_tokens")
        )

    def completions(self, fields: Fields) -> Response:
        """Raises Refusal."""
        _unsupported(fields)
        (prompt, *others) = fields.texts("prompt", alone=True) or ("",)
        if others:
            raise Refusal("validation", "one `prompt` at a time is answered")
        alternatives = fields.whole("logprobs", 0, 0, 20)
        before = prompt if fields.truth("echo") else ""
        return self._answer(
            _Completion("logprobs" in fields, before), fields, self._model.tokens(prompt), alternatives, ("max_tokens",)
        )

    def _answer(self, form: _Form, fields: Fields, prompt: list[int], alternatives: int, limits: tuple[str, ...]) -> Response:
        asked = self._parameters(fields, prompt, alternatives, limits)
        choices = fields.whole("n", 1, 1, _MOST_CHOICES)
        about = {"id": f"{form.prefix}-{uuid.uuid4().hex}", "created": int(time.time()), "model": self._name(fields)}
        if self._style.fingerprint:
            about["system_fingerprint"] = self._style.fingerprint
        if not fields.truth("stream"):
            return Response(
                200,
                json.dumps(self._whole(form, about, prompt, asked, choices), ensure_ascii=False).encode(),
                "application/json",
            )
        if choices > 1:
            raise Refusal("validation", "`n` > 1 is not supported when streaming tokens")
        usage = fields.object("stream_options").truth("include_usage")
        return Response(
            200,
            self._events(form, about, prompt, asked, usage),
            "application/jsonlines" if self._style.lines else "text/event-stream",
        )

    def _name(self, fields: Fields) -> str:
        return self._model.alias or fields.text("model") or self._model.configuration.model

    def _parameters(self, fields: Fields, prompt: list[int], alternatives: int, limits: tuple[str, ...]) -> Parameters:
        rest = self._model.longest - len(prompt)
        most = next((fields.whole(name, 0, 1) for name in limits if name in fields), max(rest, 1))
        if not prompt:
            raise Refusal("validation", "the prompt is empty")
        if most > rest:
            raise Refusal(
                "validation",
                f"`inputs` tokens + `max_new_tokens` must be <= {self._model.longest}. Given: {len(prompt)} `inputs` tokens and {most} "
                "`max_new_tokens`",
            )
        temperature = _within(fields, "temperature", 1.0, 0, 2)
        return Parameters(
            max_new_tokens=most,
            sample=temperature > 0,
            temperature=temperature or 1.0,
            top_k=max(0, fields.whole("top_k", 0, -1)),
            top_p=_within(fields, "top_p", 1.0, 0, 1) or 1e-9,
            min_p=_within(fields, "min_p", 0.0, 0, 1),
            repetition_penalty=_within(fields, "repetition_penalty", 1.0, 1e-6, 100),
            frequency_penalty=_within(fields, "frequency_penalty", 0.0, -2, 2),
            presence_penalty=_within(fields, "presence_penalty", 0.0, -2, 2),
            stop=tuple(filter(None, fields.texts("stop", alone=True))),
            keeps_stop=self._style.keeps_stop,
            seed=fields.whole("seed", random_seed(), -(2**63), 2**64 - 1) % 2**63,
            ignores_end=fields.truth("ignore_eos"),
            alternatives=alternatives,
        )

    def _whole(self, form: _Form, about: dict[str, Any], prompt: list[int], asked: Parameters, choices: int) -> dict[str, Any]:
        begun = [self._model.generate(prompt, replace(asked, seed=asked.seed + number)) for number in range(choices)]
        texts = [list(generation) for generation in begun]
        found = [form.choice(index, steps, self._reason(steps[-1])) for index, steps in enumerate(texts)]
        return {"object": form.whole, **about, "choices": found, "usage": _usage(prompt, sum(map(len, texts)))}

    def _events(self, form: _Form, about: dict[str, Any], prompt: list[int], asked: Parameters, usage: bool) -> Iterator[bytes]:
        generation, about, made = self._model.generate(prompt, asked), {"object": form.piece, **about}, 0
        try:
            for step in generation:
                yield self._event({**about, "choices": [form.delta(step, not made, self._reason(step))]})
                made += 1
            if usage:
                yield self._event({**about, "choices": [], "usage": _usage(prompt, made)})
        except Refusal as refusal:
            yield self._event(self._style.error(refusal))
        finally:
            generation.cancel()
        if not self._style.lines:
            yield b"data: [DONE]\n\n"

    def _event(self, document: dict[str, Any]) -> bytes:
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        return text + b"\n" if self._style.lines else b"data: " + text + b"\n\n"

    def _reason(self, step: Step) -> str | None:
        if not step.finish_reason:
            return None
        return step.finish_reason if self._style.own_reasons else _REASONS[step.finish_reason]


class _Chat:
    """The members of a chat's answer."""

    prefix, whole, piece = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def __init__(self, scored: bool) -> None:
        self._scored = scored

    def choice(self, index: int, steps: list[Step], reason: str | None) -> dict[str, Any]:
        """One of the answers."""
        message = {"role": "assistant", "content": "".join(step.text for step in steps)}
        return {"index": index, "message": message, "logprobs": self._logprobs(steps), "finish_reason": reason}

    def delta(self, step: Step, first: bool, reason: str | None) -> dict[str, Any]:
        """What a token adds."""
        delta = {"role": "assistant", "content": step.text} if first else {"content": step.text}
        return {"index": 0, "delta": delta, "logprobs": self._logprobs([step]), "finish_reason": reason}

    def _logprobs(self, steps: list[Step]) -> dict[str, Any] | None:
        if not self._scored:
            return None
        return {
            "content": [{**_scored(step.token), "top_logprobs": list(map(_scored, step.token.alternatives))} for step in steps]
        }


class _Completion:
    """The members of a completion's answer."""

    prefix, whole, piece = "cmpl", "text_completion", "text_completion"

    def __init__(self, scored: bool, before: str) -> None:
        self._scored = scored
        self._before = before

    def choice(self, index: int, steps: list[Step], reason: str | None) -> dict[str, Any]:
        """One of the answers."""
        text = self._before + "".join(step.text for step in steps)
        return {"index": index, "text": text, "logprobs": self._logprobs(steps), "finish_reason": reason}

    def delta(self, step: Step, first: bool, reason: str | None) -> dict[str, Any]:
        """What a token adds."""
        text = self._before + step.text if first else step.text
        return {"index": 0, "text": text, "logprobs": self._logprobs([step]), "finish_reason": reason}

    def _logprobs(self, steps: list[Step]) -> dict[str, Any] | None:
        if not self._scored:
            return None
        tokens = [step.token for step in steps]
        return {
            "tokens": [token.text for token in tokens],
            "token_logprobs": [token.logprob for token in tokens],
            "top_logprobs": [{other.text: other.logprob for other in token.alternatives} for token in tokens],
        }


def _scored(token: Token) -> dict[str, Any]:
    return {"token": token.text, "logprob": token.logprob, "bytes": list(token.text.encode())}


def _usage(prompt: list[int], made: int) -> dict[str, int]:
    return {"prompt_tokens": len(prompt), "completion_tokens": made, "total_tokens": len(prompt) + made}


def _within(fields: Fields, name: str, default: float, least: float, most: float) -> float:
    value = fields.number(name, default)
    if not least <= value <= most:
        raise Refusal("validation", f"`{name}` must be >= {least} and <= {most}")
    return value


def _unsupported(fields: Fields) -> None:
    """What would change the answer and is not there."""
    if "response_format" in fields and fields.object("response_format").text("type") != "text":
        raise Refusal("validation", "grammar is not supported")
    if "logit_bias" in fields and fields.raw("logit_bias"):
        raise Refusal("validation", "`logit_bias` is not supported")
    if fields.raw("tool_choice") not in (None, "none", "auto"):
        raise Refusal("tool", "a call of a tool cannot be demanded: there are no grammars")


def _messages(fields: Fields) -> list[dict[str, Any]]:
    """Roles and texts; a content of several parts is joined. Raises Refusal."""
    found = fields.raw("messages")
    if not isinstance(found, list) or not found:
        raise Refusal("malformed", "`messages` must be an array of messages")
    messages = []
    for message in found:
        given = Fields(message, "a message")
        role = given.text("role")
        if not role:
            raise Refusal("malformed", "a message needs a role")
        messages.append({**message, "role": role, "content": _content(given.raw("content"))})
    return messages


def _content(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise Refusal("malformed", "`content` must be a string or an array")
    parts = [Fields(part, "a part of `content`") for part in content]
    for part in parts:
        if part.text("type") != "text":
            raise Refusal("validation", f"{part.text('type') or 'another'} modality is not supported")
    return "".join(part.text("text") for part in parts)
