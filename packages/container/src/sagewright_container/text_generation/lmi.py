"""Requests and answers of DJL Serving's LMI images (LMI handlers Inference API Schema, rolling batch)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sagewright_container.serving.message import Request, Response
from sagewright_container.text_generation.chat import OpenAi, Style
from sagewright_container.text_generation.fields import Fields
from sagewright_container.text_generation.model import TextModel, random_seed
from sagewright_container.text_generation.parameters import Parameters, Refusal, Step, Token

_JSON = "application/json"
_DEFAULT_NEW_TOKENS = 30
_FAILED = 424
_SINCE_EVENTS = (0, 34)  # from LMI 16 on vLLM's own server answers chats


class Lmi:
    """Answers /invocations: ``inputs``, ``messages`` or ``prompt`` say which form a request has."""

    def __init__(self, model: TextModel) -> None:
        self._model = model
        options = model.configuration
        lines = options.formatter == "jsonlines" or (not options.formatter and _release(options.version) < _SINCE_EVENTS)
        self._chat = OpenAi(model, Style(self.error, own_reasons=lines, lines=lines))
        self._events = options.formatter == "sse" or (options.like_tgi and not options.formatter)
        self._always_streams = options.formatter in ("sse", "jsonlines")

    def answer(self, request: Request) -> Response:
        """Raises Refusal."""
        fields = Fields.parse(request.body)
        if "messages" in fields:
            return self._chat.chat(fields)
        if "inputs" not in fields and "prompt" in fields:
            return self._chat.completions(fields)
        if isinstance(fields.raw("inputs"), list) and not self._model.configuration.rolling:
            return self._several(fields)
        return self._one(fields)

    def refused(self, refusal: Refusal) -> Response:
        """DJL Serving passes every failure of its handler on with 424."""
        return Response(_FAILED, json.dumps(self.error(refusal)).encode(), _JSON)

    def error(self, refusal: Refusal) -> dict[str, Any]:
        """The error document."""
        text = "Model is overloaded" if refusal.kind == "overloaded" else str(refusal)
        return {"error": text, "code": _FAILED}

    def _one(self, fields: Fields) -> Response:
        inputs = fields.raw("inputs")
        if not isinstance(inputs, str):
            raise Refusal("malformed", "`inputs` must be a string")
        given = fields.object("parameters")
        asked = _Asked(inputs, given, self._model)
        if fields.truth("stream", self._always_streams):
            kind = "text/event-stream" if self._events else "application/jsonlines"
            return Response(200, self._pieces(asked), kind)
        answer = self._whole(asked)
        return Response(
            200, json.dumps([answer] if self._model.configuration.like_tgi else answer, ensure_ascii=False).encode(), _JSON
        )

    def _several(self, fields: Fields) -> Response:
        """Dynamic batching: a list for a list."""
        given = fields.object("parameters")
        asked = [_Asked(inputs, given, self._model) for inputs in fields.texts("inputs")]
        begun = [self._model.generate(one.prompt, one.parameters) for one in asked]
        texts = ["".join(step.text for step in generation) for generation in begun]
        found = [{"generated_text": one.before + text} for one, text in zip(asked, texts)]  # noqa: B905 - Python 3.9
        return Response(200, json.dumps(found, ensure_ascii=False).encode(), _JSON)

    def _whole(self, asked: _Asked) -> dict[str, Any]:
        generation = self._model.generate(asked.prompt, asked.parameters)
        steps = list(generation)
        answer: dict[str, Any] = {"generated_text": asked.before + "".join(step.text for step in steps)}
        if asked.details:
            details = {**asked.about(steps[-1], len(steps)), "tokens": [_token(step.token) for step in steps]}
            if generation.prefill:
                details["prefill"] = [_token(token) for token in generation.prefill]
            answer["details"] = details
        return answer

    def _pieces(self, asked: _Asked) -> Iterator[bytes]:
        generation, text, made = self._model.generate(asked.prompt, asked.parameters), "", 0
        try:
            for made, step in enumerate(generation, 1):
                text += step.text
                piece: dict[str, Any] = {"token": _token(step.token)}
                if step.finish_reason:
                    piece["generated_text"] = asked.before + text
                    if asked.details or self._model.configuration.like_tgi:
                        piece["details"] = asked.about(step, made)
                yield self._piece(piece)
        except Refusal:
            failed = {"finish_reason": "error", "generated_tokens": None, "inputs": None}
            token = {"id": -1, "text": "", "log_prob": -1, "special_token": True}
            yield self._piece({"token": token, "generated_text": "", "details": failed})
        finally:
            generation.cancel()

    def _piece(self, document: dict[str, Any]) -> bytes:
        text = json.dumps(document, ensure_ascii=False).encode()
        return b"data: " + text + b"\n\n" if self._events else text + b"\n"


class _Asked:
    """One prompt and its parameters. Raises Refusal."""

    def __init__(self, inputs: str, given: Fields, model: TextModel) -> None:
        self.inputs = inputs
        self.prompt = model.tokens(inputs, truncate=given.whole("truncate", 0))
        if not self.prompt:
            raise Refusal("validation", "`inputs` cannot be empty")
        rest = model.longest - len(self.prompt)
        most = given.whole("max_new_tokens", min(_DEFAULT_NEW_TOKENS, max(rest, 1)), 1)
        if most > rest:
            raise Refusal(
                "validation",
                f"This model's maximum context length is {model.longest} tokens, {len(self.prompt)} of the prompt and {most} to be made",
            )
        self.details = given.truth("details")
        self.before = inputs if given.truth("return_full_text") else ""
        self.parameters = _parameters(given, most)

    def about(self, last: Step, made: int) -> dict[str, Any]:
        """The details of a whole text."""
        return {"finish_reason": last.finish_reason, "generated_tokens": made, "inputs": self.inputs}


def _parameters(given: Fields, most: int) -> Parameters:
    drawn = any(name in given for name in ("temperature", "top_k", "top_p", "min_p", "typical_p"))
    temperature = given.number("temperature", 1.0)
    return Parameters(
        max_new_tokens=most,
        sample=given.truth("do_sample", drawn) and temperature > 0,
        temperature=_positive("temperature", temperature or 1.0),
        top_k=max(0, given.whole("top_k", 0, -1)),
        top_p=_positive("top_p", given.number("top_p", 1.0)),
        typical_p=_positive("typical_p", given.number("typical_p", 1.0)),
        min_p=given.number("min_p", 0.0),
        repetition_penalty=_positive("repetition_penalty", given.number("repetition_penalty", 1.0)),
        frequency_penalty=given.number("frequency_penalty", 0.0),
        presence_penalty=given.number("presence_penalty", 0.0),
        stop=tuple(filter(None, given.texts("stop_sequences", alone=True) or given.texts("stop", alone=True))),
        keeps_stop=given.truth("include_stop_str_in_output"),
        seed=given.whole("seed", random_seed(), -(2**63), 2**64 - 1) % 2**63,
        ignores_end=given.truth("ignore_eos_token"),
        scores_prompt=given.truth("decoder_input_details"),
    )


def _positive(name: str, value: float) -> float:
    if value <= 0:
        raise Refusal("validation", f"`{name}` must be strictly positive")
    return value


def _token(token: Token) -> dict[str, Any]:
    return {"id": token.id, "text": token.text, "log_prob": token.logprob}


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) or (9, 9)
