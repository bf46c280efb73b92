"""What the endpoint understands and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sagewright_algorithms.common.documents import json_documents
from sagewright_algorithms.common.requests import JSON, RECORDIO, UnreadablePayloadError
from sagewright_algorithms.common.sequences import of_rows
from sagewright_algorithms.recordio import MalformedRecordError
from sagewright_algorithms.seq2seq import token_records
from sagewright_algorithms.seq2seq.artifact import Model
from sagewright_algorithms.seq2seq.beam_search import Found

_MEMBERS = {JSON: "data"}
_TRUE = ("true", "True", True)


class Item(NamedTuple):
    """One source. ``text``: words are asked for, not ids; ``matrix``: with the attention."""

    ids: list[int]
    text: bool
    matrix: bool = False


class Answering:
    """See DocumentModel."""

    top = "predictions"

    def __init__(self, model: Model) -> None:
        self._model = model

    def read(self, body: bytes, content_type: str, parameters: Mapping[str, str]) -> list[Item]:
        """Raises UnreadablePayloadError."""
        if content_type == RECORDIO:
            return self._records(body)
        name = _MEMBERS.get(content_type, "source")
        return [self._item(document, name) for document in json_documents(body, content_type)]

    def answer(self, items: list[Item]) -> list[Any]:
        """``{"target": "text"}``, with "matrix" where it is asked for, or a Record with the feature "target"."""
        found = self._model.translator.translate(of_rows([item.ids for item in items]))
        return [self._answer(item, answer) for item, answer in zip(items, found, strict=True)]

    def _answer(self, item: Item, answer: Found) -> Any:
        if not item.text:
            return token_records.record("target", answer.tokens)
        document: dict[str, Any] = {"target": self._model.target.text(answer.tokens)}
        return {**document, "matrix": answer.matrix.tolist()} if item.matrix else document

    def _item(self, document: Any, name: str) -> Item:
        text = document.get(name) if isinstance(document, dict) else None
        if not isinstance(text, str):
            raise UnreadablePayloadError(f'an instance has no text "{name}"')
        configuration = document.get("configuration")
        matrix = isinstance(configuration, dict) and configuration.get("attention_matrix") in _TRUE
        return Item(self._model.source.ids(text), True, matrix)

    def _records(self, body: bytes) -> list[Item]:
        try:
            found = token_records.read(body, target=False)["source"]
        except MalformedRecordError as error:
            raise UnreadablePayloadError(str(error)) from error
        words = len(self._model.source)
        if len(found.tokens) and not (found.tokens.min() >= 0 and found.tokens.max() < words):
            raise UnreadablePayloadError(f"a token is not an id of the vocabulary of {words} words")
        return [Item(ids, False) for ids in found.rows()]
