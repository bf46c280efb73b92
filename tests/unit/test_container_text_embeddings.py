"""text-embeddings-inference's requests, answers and errors over encoders made on the spot (K02; its router's http/server.rs)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from support.embedding_models import LONGEST, encoder
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from sagewright_container.serving.message import Request, Response
from sagewright_container.text_embeddings.configuration import Configuration, ConfigurationError
from sagewright_container.text_embeddings.encoder import load
from sagewright_container.text_embeddings.endpoint import EmbeddingEndpoint

TEXTS = ["deep learning is fun", "cats sleep", "what"]


def endpoint(folder: Path, **environment: str) -> EmbeddingEndpoint:
    configuration = Configuration.of(folder, environment)
    return EmbeddingEndpoint(load(configuration), configuration)


@pytest.fixture(scope="module")
def embedder() -> EmbeddingEndpoint:
    return endpoint(encoder())


@pytest.fixture(scope="module")
def classifier() -> EmbeddingEndpoint:
    return endpoint(encoder("classifier"))


@pytest.fixture(scope="module")
def reranker() -> EmbeddingEndpoint:
    return endpoint(encoder("classifier", labels=1))


def request(document: Any, content_type: str = "application/json") -> Request:
    return Request(document if isinstance(document, bytes) else json.dumps(document).encode(), content_type)


def told(to: EmbeddingEndpoint, document: Any, status: int = 200) -> Any:
    (answer,) = to.invoke([request(document)])
    assert answer.status == status, answer.body
    return json.loads(bytes(answer.body))  # type: ignore[arg-type]


@torch.inference_mode()
def expected(pooling: str, text: str) -> torch.Tensor:
    """One text by itself, as sentence-transformers does it."""
    folder = encoder(pooling=pooling)
    given = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    states = AutoModel.from_pretrained(folder).eval()(**given).last_hidden_state[0]
    return torch.nn.functional.normalize(states.mean(0) if pooling == "mean" else states[0], dim=0)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_embeddings_are_the_pooled_and_normalised_states(pooling: str) -> None:
    to = endpoint(encoder(pooling=pooling))
    found = told(to, {"inputs": TEXTS})
    assert len(found) == 3
    for text, vector in zip(TEXTS, found, strict=True):
        assert torch.allclose(torch.tensor(vector), expected(pooling, text), atol=1e-5)
    assert told(to, {"inputs": TEXTS[0]}) == [pytest.approx(found[0], abs=1e-5)]


def test_embeddings_as_they_are_and_shorter(embedder: EmbeddingEndpoint) -> None:
    whole = torch.tensor(told(embedder, {"inputs": "cats sleep", "normalize": False})[0])
    assert abs(float(whole.norm()) - 1) > 0.01
    short = torch.tensor(told(embedder, {"inputs": "cats sleep", "dimensions": 4})[0])
    assert torch.allclose(short, torch.nn.functional.normalize(whole[:4], dim=0), atol=1e-5)


def test_requests_share_a_pass_and_a_bad_one_spoils_none(embedder: EmbeddingEndpoint) -> None:
    asked = [request({"inputs": TEXTS[:2]}), request({"inputs": []}), request({"inputs": TEXTS[2]})]
    first, bad, last = embedder.invoke(asked)
    assert bad.status == 400
    both = [*json.loads(bytes(first.body)), *json.loads(bytes(last.body))]  # type: ignore[arg-type]
    assert both == [pytest.approx(vector, abs=1e-5) for vector in told(embedder, {"inputs": TEXTS})]


def test_other_poolings(embedder: EmbeddingEndpoint) -> None:
    """POOLING wins over the model's files; last-token is the last one that is no padding."""
    last = endpoint(encoder(), POOLING="last-token")
    one, many = told(last, {"inputs": "cats sleep"})[0], told(last, {"inputs": ["deep learning is fun", "cats sleep"]})[1]
    assert one == pytest.approx(many, abs=1e-5)
    assert one != pytest.approx(told(embedder, {"inputs": "cats sleep"})[0], abs=1e-3)
    sparse = told(endpoint(encoder("splade"), POOLING="splade"), {"inputs": "cats sleep"})[0]
    assert sparse
    assert all(entry["value"] > 0 and isinstance(entry["index"], int) for entry in sparse)


def test_similarity_where_the_task_says_so(embedder: EmbeddingEndpoint) -> None:
    to = endpoint(encoder(), TASK="sentence-similarity")
    scores = told(to, {"inputs": {"source_sentence": "cats sleep", "sentences": ["cats sleep", "what"]}})
    source, other = (torch.tensor(told(embedder, {"inputs": text})[0]) for text in ("cats sleep", "what"))
    assert scores == pytest.approx([1.0, float(source @ other)], abs=1e-5)


@torch.inference_mode()
def logits(labels: int, *text: str) -> torch.Tensor:
    folder = encoder("classifier", labels=labels)
    given = AutoTokenizer.from_pretrained(folder)(*text, return_tensors="pt")
    found: torch.Tensor = AutoModelForSequenceClassification.from_pretrained(folder).eval()(**given).logits[0]
    return found


def test_predictions_are_sorted_and_named(classifier: EmbeddingEndpoint) -> None:
    """A text or a pair alone is one list, a batch of them is a list of lists."""
    found = told(classifier, {"inputs": "cats sleep"})
    wanted = logits(3, "cats sleep").softmax(0)
    assert {each["label"]: each["score"] for each in found} == pytest.approx(
        {f"LABEL_{at}": float(score) for at, score in enumerate(wanted)}, abs=1e-5
    )
    assert [each["score"] for each in found] == sorted((each["score"] for each in found), reverse=True)
    pair = told(classifier, {"inputs": ["cats", "sleep"], "raw_scores": True})
    assert pair[0]["score"] == pytest.approx(float(logits(3, "cats", "sleep").max()), abs=1e-5)
    batch = told(classifier, {"inputs": [["cats sleep"], ["cats", "sleep"]]})
    assert [each["label"] for each in batch[0]] == [each["label"] for each in found]
    assert len(batch) == 2


def test_ranks(reranker: EmbeddingEndpoint) -> None:
    found = told(reranker, {"query": "what is deep", "texts": TEXTS, "return_text": True})
    wanted = {at: float(logits(1, "what is deep", text).sigmoid()[0]) for at, text in enumerate(TEXTS)}
    assert {each["index"]: each["score"] for each in found} == pytest.approx(wanted, abs=1e-5)
    assert [each["score"] for each in found] == sorted(wanted.values(), reverse=True) or found[0]["score"] >= found[-1]["score"]
    assert all(each["text"] == TEXTS[each["index"]] for each in found)
    assert "text" not in told(reranker, {"query": "what", "texts": TEXTS})[0]


LONG = " ".join(["cats"] * LONGEST)


@pytest.mark.parametrize(
    ("document", "status", "error"),
    [
        ({"inputs": []}, 400, {"error": "`inputs` cannot be empty", "error_type": "Empty"}),
        ({"inputs": ""}, 413, {"error": "Input validation error: `inputs` cannot be empty", "error_type": "Validation"}),
        ({"inputs": ["a"] * 33}, 413, {"error": "batch size 33 > maximum allowed batch size 32", "error_type": "Validation"}),
        (
            {"inputs": LONG},
            413,
            {
                "error": f"Input validation error: `inputs` must have less than {LONGEST} tokens. Given: {LONGEST + 2}",
                "error_type": "Validation",
            },
        ),
        ({"inputs": "a", "dimensions": 999}, 413, {"error": "`dimensions` must be at most 16", "error_type": "Validation"}),
    ],
)
def test_errors_in_the_routers_words(embedder: EmbeddingEndpoint, document: Any, status: int, error: Any) -> None:
    assert told(embedder, document, status) == error


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[1]", 422),
        ({"inputs": 3}, 422),
        ({"inputs": ["a", 3]}, 422),
        ({}, 422),
        ({"inputs": "a", "truncate": 1}, 422),
        ({"inputs": "a", "truncate": True, "truncation_direction": "up"}, 422),
    ],
)
def test_bad_requests(embedder: EmbeddingEndpoint, body: Any, status: int) -> None:
    (answer,) = embedder.invoke([request(body)])
    assert answer.status == status
    assert embedder.invoke([request({"inputs": "a"}, "text/plain")])[0].status == 415


@pytest.mark.parametrize(
    "body", [{"inputs": []}, {"inputs": ["a", "b", "c"]}, {"inputs": [["a", "b", "c"]]}, {"inputs": [["a"], "b"]}]
)
def test_bad_predictions(classifier: EmbeddingEndpoint, body: Any) -> None:
    assert classifier.invoke([request(body)])[0].status == 422


@pytest.mark.parametrize(
    ("body", "status"), [({"query": "a", "texts": []}, 400), ({"texts": ["a"]}, 422), ({"query": "a", "texts": [1]}, 422)]
)
def test_bad_ranks(reranker: EmbeddingEndpoint, body: Any, status: int) -> None:
    assert reranker.invoke([request(body)])[0].status == status


def test_truncation(embedder: EmbeddingEndpoint) -> None:
    """Where it is asked for, by the request or by AUTO_TRUNCATE, and at the side that is asked for."""
    ends = "what " + LONG
    right = told(embedder, {"inputs": ends, "truncate": True})
    left = told(embedder, {"inputs": ends, "truncate": True, "truncation_direction": "left"})
    assert right != left
    assert told(endpoint(encoder(), AUTO_TRUNCATE="true"), {"inputs": ends}) == [pytest.approx(right[0], abs=1e-5)]


@pytest.mark.parametrize(
    ("folder", "environment", "words"),
    [
        (lambda: encoder(pooling=""), {}, "could not find a pooling configuration"),
        (encoder, {"POOLING": "max"}, "POOLING must be"),
        (encoder, {"DTYPE": "float3"}, "no data type"),
        (encoder, {"MAX_CLIENT_BATCH_SIZE": "0"}, "MAX_CLIENT_BATCH_SIZE"),
        (lambda: Path("/nonexistent"), {}, "There is no model"),
    ],
)
def test_what_cannot_be_served(folder: Any, environment: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        endpoint(folder(), **environment)


def test_the_other_questions(embedder: EmbeddingEndpoint) -> None:
    assert embedder.ping() == Response(200)
    assert embedder.execution_parameters().status == 404
