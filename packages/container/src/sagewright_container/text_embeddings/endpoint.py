"""The endpoint of an encoder: all requests that have arrived go through the model together (TEI's dynamic batching)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import torch

from sagewright_container.serving.message import Request, Response
from sagewright_container.text_embeddings import forms
from sagewright_container.text_embeddings.configuration import Configuration
from sagewright_container.text_embeddings.encoder import Encoder, Tokens
from sagewright_container.text_embeddings.forms import Asked
from sagewright_container.text_generation.fields import Fields
from sagewright_container.text_generation.parameters import Refusal

_STATUS = {
    "validation": (413, "Validation"),
    "empty": (400, "Empty"),
    "backend": (424, "Backend"),
    "tokenizer": (422, "Tokenizer"),
}
_JSON = "application/json"
Row = tuple[Asked, list[Tokens]]


class EmbeddingEndpoint:
    """/invocations is /embed, /embed_sparse, /similarity, /predict or /rerank, as the model is (router/src/http/server.rs)."""

    def __init__(self, encoder: Encoder, configuration: Configuration) -> None:
        self._encoder = encoder
        self._configuration = configuration
        similar = configuration.task == "sentence-similarity" and encoder.kind == "embedding"
        read: dict[str, Callable[[Fields, bool], Asked]] = {"classifier": forms.predict, "reranker": forms.rerank}
        self._read = forms.similarity if similar else read.get(encoder.kind, forms.embed)
        answer = {"classifier": self._predicted, "reranker": self._ranked, "splade": self._sparse}
        self._answer = self._similar if similar else answer.get(encoder.kind, self._embedded)

    def invoke(self, requests: list[Request]) -> list[Response]:
        """See Endpoint."""
        read = [self._understood(request) for request in requests]
        rows = [row for row in read if not isinstance(row, Response)]
        found = self._encoder.encode([tokens for _, texts in rows for tokens in texts])
        answers, at = [], 0
        for row in read:
            if isinstance(row, Response):
                answers.append(row)
                continue
            count = len(row[0].texts)
            answers.append(self._told(row[0], found[at : at + count]))
            at += count
        return answers

    def ping(self) -> Response:
        """The model was loaded before the server listened."""
        return Response(200)

    def execution_parameters(self) -> Response:
        """This server has no opinion."""
        return Response(404, b"Not Found")

    def _understood(self, request: Request) -> Row | Response:
        if request.content_type.partition(";")[0].strip().lower() != _JSON:
            return Response(415, b"Expected request with `Content-Type: application/json`")
        try:
            asked = self._read(Fields.parse(request.body), self._configuration.truncates)
            return asked, self._tokens(asked)
        except Refusal as refusal:
            return _refused(refusal)

    def _tokens(self, asked: Asked) -> list[Tokens]:
        """Raises Refusal."""
        most = self._configuration.batch
        if len(asked.texts) > most:
            raise Refusal("validation", f"batch size {len(asked.texts)} > maximum allowed batch size {most}")
        tokens = [self._encoder.tokens(text, asked.truncates, asked.side) for text in asked.texts]
        longest = max(len(each["input_ids"]) for each in tokens)
        if longest > self._encoder.longest:
            words = f"`inputs` must have less than {self._encoder.longest} tokens. Given: {longest}"
            raise Refusal("validation", f"Input validation error: {words}")
        return tokens

    def _told(self, asked: Asked, found: Sequence[torch.Tensor]) -> Response:
        try:
            return Response(200, json.dumps(self._answer(asked, found)).encode(), _JSON)
        except Refusal as refusal:
            return _refused(refusal)

    def _embedded(self, asked: Asked, found: Sequence[torch.Tensor]) -> Any:
        width = asked.fields.whole("dimensions", self._encoder.width, 1)
        if width > self._encoder.width:
            raise Refusal("validation", f"`dimensions` must be at most {self._encoder.width}")
        vectors = torch.stack(list(found))[:, :width]
        return (torch.nn.functional.normalize(vectors) if asked.fields.truth("normalize", True) else vectors).tolist()

    def _sparse(self, _: Asked, found: Sequence[torch.Tensor]) -> Any:
        return [[{"index": at, "value": float(row[at])} for at in row.nonzero().flatten().tolist()] for row in found]

    def _similar(self, _: Asked, found: Sequence[torch.Tensor]) -> Any:
        source, *others = torch.nn.functional.normalize(torch.stack(list(found)))
        return [float(source @ other) for other in others]

    def _predicted(self, asked: Asked, found: Sequence[torch.Tensor]) -> Any:
        raw = asked.fields.truth("raw_scores")
        labels = self._encoder.labels
        answers = [
            [
                {"score": score, "label": labels.get(at, str(at))}
                for at, score in sorted(enumerate(_scores(row, raw)), key=lambda each: -each[1])
            ]
            for row in found
        ]
        return answers[0] if asked.alone else answers

    def _ranked(self, asked: Asked, found: Sequence[torch.Tensor]) -> Any:
        raw, shown = asked.fields.truth("raw_scores"), asked.fields.truth("return_text")
        ranks: list[dict[str, Any]] = [{"index": at, "score": _scores(row, raw)[0]} for at, row in enumerate(found)]
        if shown:
            ranks = [{**rank, "text": asked.texts[rank["index"]][1]} for rank in ranks]
        return sorted(ranks, key=lambda rank: -rank["score"])


def _scores(row: torch.Tensor, raw: bool) -> list[float]:
    """Raises Refusal when the model gave no numbers."""
    if row.isnan().any():
        raise Refusal("backend", "score is NaN")
    if not raw:
        row = row.softmax(0) if len(row) > 1 else row.sigmoid()
    return [float(score) for score in row]


def _refused(refusal: Refusal) -> Response:
    """TEI's error document; what it cannot parse is answered in plain words by the library below it."""
    if refusal.kind == "syntax":
        return Response(400, f"Failed to parse the request body as JSON: {refusal}".encode())
    if refusal.kind == "malformed":
        return Response(422, f"Failed to deserialize the JSON body into the target type: {refusal}".encode())
    status, kind = _STATUS[refusal.kind]
    return Response(status, json.dumps({"error": str(refusal), "error_type": kind}).encode(), _JSON)
