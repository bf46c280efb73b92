"""Requests and answers of Hugging Face's text-generation-inference 3 (its openapi.json; the wording of its router)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sagewright_container.serving.message import Request, Response
from sagewright_container.text_generation.chat import OpenAi, Style
from sagewright_container.text_generation.fields import Fields
from sagewright_container.text_generation.generation import Generation
from sagewright_container.text_generation.model import TextModel, random_seed
from sagewright_container.text_generation.parameters import Parameters, Refusal, Step, Token

_JSON, _EVENTS = "application/json", "text/event-stream"
_PREFIX = {
    "validation": "Input validation error: ",
    "generation": "Request failed during generation: ",
    "template": "Template error: ",
    "tool": "Tool error: ",
}
_TYPE = {"template": "template_error", "tool": "tool_error"}
_STATUS = {"generation": 424, "overloaded": 429}
_DEFAULT_NEW_TOKENS, _MOST_NEW_TOKENS = 100, 1024


class Tgi:
    """Answers /invocations: ``inputs``, ``messages`` or ``prompt`` say which of its forms a request has."""

    def __init__(self, model: TextModel) -> None:
        self._model = model
        self._limits = model.configuration
        self._chat = OpenAi(model, Style(self.error, keeps_stop=True, fingerprint="3-sagewright"))

    def answer(self, request: Request) -> Response:
        """Raises Refusal."""
        fields = Fields.parse(request.body)
        if isinstance(fields.raw("inputs"), str):
            return self._generate(fields)
        if "messages" in fields:
            return self._chat.chat(fields)
        if "prompt" in fields:
            return self._chat.completions(fields)
        raise Refusal("malformed", "")

    def refused(self, refusal: Refusal) -> Response:
        """TGI's error document; what it cannot parse is answered in plain words by the library below it."""
        if refusal.kind == "syntax":
            return Response(400, f"Failed to parse the request body as JSON: {refusal}".encode())
        if refusal.kind == "malformed":
            variants = "data did not match any variant of untagged enum SagemakerRequest"
            return Response(422, f"Failed to deserialize the JSON body into the target type: {variants}".encode())
        return Response(_STATUS.get(refusal.kind, 422), json.dumps(self.error(refusal)).encode(), _JSON)

    def error(self, refusal: Refusal) -> dict[str, str]:
        """The error document."""
        text = "Model is overloaded" if refusal.kind == "overloaded" else _PREFIX.get(refusal.kind, "") + str(refusal)
        return {"error": text, "error_type": _TYPE.get(refusal.kind, refusal.kind)}

    def _generate(self, fields: Fields) -> Response:
        stream = fields.truth("stream")
        given = fields.object("parameters") if "parameters" in fields else Fields({"do_sample": True})
        try:
            asked = _Asked(fields, given, self._model)
            if stream:
                return Response(200, self._events(asked), _EVENTS)
            return Response(200, json.dumps([self._whole(asked)], ensure_ascii=False).encode(), _JSON)
        except Refusal as refusal:
            if not stream or refusal.kind == "malformed":
                raise
            return Response(200, iter([_event(self.error(refusal))]), _EVENTS)  # a stream's answer has begun with 200

    def _whole(self, asked: _Asked) -> dict[str, Any]:
        texts = [self._one(asked, number) for number in range(asked.best_of)]
        best = max(texts, key=lambda text: _mean(text["details"]["tokens"]))
        if asked.best_of > 1:
            others = [{"generated_text": text["generated_text"], **text["details"]} for text in texts if text is not best]
            best["details"]["best_of_sequences"] = others
        if not asked.details:
            del best["details"]
        return best

    def _one(self, asked: _Asked, number: int) -> dict[str, Any]:
        generation = asked.begin(self._model, number)
        steps = list(generation)
        details: dict[str, Any] = {
            "finish_reason": steps[-1].finish_reason,
            "generated_tokens": len(steps),
            "seed": asked.seed(number),
            "prefill": [_prefill(token) for token in generation.prefill],
            "tokens": [_token(step.token) for step in steps],
        }
        if asked.parameters.alternatives:
            details["top_tokens"] = [[_token(token) for token in step.token.alternatives] for step in steps]
        return {"generated_text": asked.before + "".join(step.text for step in steps), "details": details}

    def _events(self, asked: _Asked) -> Iterator[bytes]:
        """An event for each token; the generation ends when nobody listens."""
        generation, text = asked.begin(self._model, 0), ""
        try:
            for number, step in enumerate(generation, 1):
                text += step.text
                yield _event(self._streamed(asked, number, step, text))
        except Refusal as refusal:
            yield _event(self.error(refusal))
        finally:
            generation.cancel()

    def _streamed(self, asked: _Asked, number: int, step: Step, text: str) -> dict[str, Any]:
        event: dict[str, Any] = {"index": number, "token": _token(step.token)}
        if asked.parameters.alternatives:
            event["top_tokens"] = [_token(token) for token in step.token.alternatives]
        event.update(generated_text=None, details=None)
        if step.finish_reason:
            event["generated_text"] = asked.before + text
            if asked.details:
                event["details"] = {
                    "finish_reason": step.finish_reason,
                    "generated_tokens": number,
                    "seed": asked.seed(0),
                    "input_length": len(asked.prompt),
                }
        return event


class _Asked:
    """A generate request that holds. Raises Refusal in TGI's words."""

    def __init__(self, fields: Fields, given: Fields, model: TextModel) -> None:
        limits = model.configuration
        stream, inputs = fields.truth("stream"), fields.text("inputs")
        self.details = given.truth("details")
        self.best_of = given.whole("best_of", 1)
        self.parameters = self._parameters(given, limits)
        self._seeded = "seed" in given
        _check(
            self.best_of in range(1, limits.most_best_of + 1),
            f"`best_of` must be > 0 and <= {limits.most_best_of}. Given: {self.best_of}",
        )
        _check(self.best_of == 1 or not stream, "`best_of` != 1 is not supported when streaming tokens")
        _check(self.best_of == 1 or self.parameters.sample, "you must use sampling when `best_of` is > 1")
        _check(self.best_of == 1 or not self._seeded, "`seed` must not be set when `best_of` > 1")
        _check(
            not (stream and self.parameters.scores_prompt),
            "`decoder_input_details` == true is not supported when streaming tokens",
        )
        _check("grammar" not in given, "grammar is not supported")
        _check(bool(inputs), "`inputs` cannot be empty")
        self.prompt, most = self._prompt(inputs, given, model)
        self.parameters = replace(self.parameters, max_new_tokens=most)
        self.before = inputs if given.truth("return_full_text", True) else ""

    def seed(self, number: int) -> int | None:
        """Told where tokens are drawn."""
        return self.parameters.seed + number if self.parameters.sample else None

    def begin(self, model: TextModel, number: int) -> Generation:
        """The ``number``-th text of the request."""
        return model.generate(self.prompt, replace(self.parameters, seed=self.parameters.seed + number))

    def _parameters(self, given: Fields, limits: Any) -> Parameters:
        """Checked in TGI's order."""
        wanted = given.truth("do_sample")
        drawn = any(name in given for name in ("temperature", "top_k", "top_p", "typical_p"))
        temperature, penalty = given.number("temperature", 1.0), given.number("repetition_penalty", 1.0)
        frequency, top_p, typical_p = (
            given.number("frequency_penalty", 0.0),
            given.number("top_p", 0.5),
            given.number("typical_p", 0.5),
        )
        top_k, stop = given.whole("top_k", 1, -(2**31), 2**31 - 1), given.texts("stop")
        alternatives = given.whole("top_n_tokens", 0)
        _check(temperature > 0, "`temperature` must be strictly positive")
        _check(penalty > 0, "`repetition_penalty` must be strictly positive")
        _check(-2 <= frequency <= 2, "`frequency_penalty` must be >= -2.0 and <= 2.0")
        _check(0 < top_p < 1, "`top_p` must be > 0.0 and < 1.0")
        _check(0 < typical_p < 1, "`typical_p` must be > 0.0 and < 1.0")
        _check(top_k > 0, "`top_k` must be strictly positive")
        _check(given.raw("max_new_tokens") != 0, "`max_new_tokens` must be strictly positive")
        _check(len(stop) <= limits.most_stops, f"`stop` supports up to {limits.most_stops} stop sequences. Given: {len(stop)}")
        _check(
            alternatives <= limits.most_alternatives,
            f"`top_n_tokens` must be >= 0 and <= {limits.most_alternatives}. Given: {alternatives}",
        )
        return Parameters(
            sample=wanted or drawn,
            temperature=temperature,
            top_k=top_k if "top_k" in given else 0,
            top_p=top_p if "top_p" in given else 1.0,
            typical_p=typical_p if "typical_p" in given else 1.0,
            repetition_penalty=penalty,
            frequency_penalty=frequency,
            stop=tuple(filter(None, stop)),
            keeps_stop=True,
            seed=given.whole("seed", random_seed(), 0, 2**64 - 1) % 2**63,
            watermark=given.truth("watermark"),
            alternatives=alternatives,
            scores_prompt=given.truth("decoder_input_details"),
        )

    def _prompt(self, inputs: str, given: Fields, model: TextModel) -> tuple[list[int], int]:
        """The prompt's ids and how many may follow."""
        truncate = given.whole("truncate", 0)
        _check(
            "truncate" not in given or 0 < truncate <= model.longest_input,
            f"`truncate` must be strictly positive and less than {model.longest_input}. Given: {truncate}",
        )
        prompt = model.tokens(inputs, truncate=truncate)
        _check(bool(prompt), "`inputs` cannot be empty")
        most = given.whole("max_new_tokens", _DEFAULT_NEW_TOKENS)
        if given.raw("max_new_tokens") is None and model.longest - len(prompt) < most:
            most = max(1, min(_MOST_NEW_TOKENS, model.longest - len(prompt)))
        _check(
            len(prompt) + most <= model.longest,
            f"`inputs` tokens + `max_new_tokens` must be <= {model.longest}. Given: {len(prompt)} `inputs` tokens and {most} "
            "`max_new_tokens`",
        )
        _check(
            len(prompt) <= model.longest_input,
            f"`inputs` must have less than {model.longest_input} tokens. Given: {len(prompt)}",
        )
        return prompt, most


def _check(holds: bool, words: str) -> None:
    if not holds:
        raise Refusal("validation", words)


def _event(document: dict[str, Any]) -> bytes:
    return b"data:" + json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def _token(token: Token) -> dict[str, Any]:
    return {"id": token.id, "text": token.text, "logprob": token.logprob, "special": token.special}


def _prefill(token: Token) -> dict[str, Any]:
    return {"id": token.id, "text": token.text, "logprob": token.logprob}


def _mean(tokens: list[dict[str, Any]]) -> float:
    return sum(float(token["logprob"]) for token in tokens) / len(tokens)
