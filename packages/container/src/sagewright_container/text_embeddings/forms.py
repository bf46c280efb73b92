"""What a request to /invocations may say, by the kind of model (router/src/http/types.rs of text-embeddings-inference)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Union

from sagewright_container.text_generation.fields import Fields
from sagewright_container.text_generation.parameters import Refusal

Text = Union[str, tuple[str, str]]  # noqa: UP007 - evaluated by Python 3.9


@dataclass(frozen=True)
class Asked:
    """``texts`` to encode; ``alone``: one that came by itself, not in a list."""

    texts: list[Text]
    alone: bool
    truncates: bool
    side: str
    fields: Fields


def embed(fields: Fields, truncates: bool) -> Asked:
    """``inputs``: a text or a list of texts."""
    inputs = fields.raw("inputs")
    return _asked(_texts(inputs, "inputs"), isinstance(inputs, str), fields, truncates)


def predict(fields: Fields, truncates: bool) -> Asked:
    """``inputs``: a text, a pair of texts, or a batch of lists of one or two."""
    inputs = fields.raw("inputs")
    if isinstance(inputs, str):
        return _asked([inputs], True, fields, truncates)
    if not isinstance(inputs, list) or not inputs:
        raise _malformed("inputs")
    if all(isinstance(each, str) for each in inputs):
        return _asked([_sequence(inputs)], True, fields, truncates)
    return _asked([_sequence(each) for each in inputs], False, fields, truncates)


def rerank(fields: Fields, truncates: bool) -> Asked:
    """``query`` and ``texts``: each is a pair with the query."""
    query = fields.raw("query")
    if not isinstance(query, str):
        raise _malformed("query")
    texts = _texts(fields.raw("texts"), "texts")
    return _asked([(query, text) for text in texts], False, fields, truncates)


def similarity(fields: Fields, truncates: bool) -> Asked:
    """``inputs``: a sentence and others; options are in ``parameters``."""
    inputs = fields.object("inputs")
    source = inputs.raw("source_sentence")
    if not isinstance(source, str):
        raise _malformed("source_sentence")
    return _asked([source, *_texts(inputs.raw("sentences"), "sentences")], False, fields.object("parameters"), truncates)


def _asked(texts: list[Text], alone: bool, fields: Fields, truncates: bool) -> Asked:
    side = fields.text("truncation_direction", "right").lower()
    if side not in ("left", "right"):
        raise _malformed("truncation_direction")
    if any(not part for text in texts for part in (text if isinstance(text, tuple) else (text,))[:1]):
        raise Refusal("validation", "Input validation error: `inputs` cannot be empty")
    return Asked(texts, alone, fields.truth("truncate", truncates), side, fields)


def _texts(given: Any, name: str) -> list[Any]:
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise _malformed(name)
    if not given:
        raise Refusal("empty", f"`{name}` cannot be empty")
    return list(given)


def _sequence(given: Any) -> Text:
    if not isinstance(given, list) or len(given) not in (1, 2) or not all(isinstance(each, str) for each in given):
        raise _malformed("inputs")
    return given[0] if len(given) == 1 else (given[0], given[1])


def _malformed(name: str) -> Refusal:
    return Refusal("malformed", f"{name}: invalid type or length")
