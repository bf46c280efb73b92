"""The Hugging Face image without a script: pipelines by HF_TASK or the model's architecture (contracts 2.K; K: script-mode serving)."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.text_models import ALPHABET, alphabet
from transformers import (
    AutoTokenizer,
    LlamaConfig,
    LlamaForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

from sagewright_container.errors import CodeError
from sagewright_container.serving import functions, huggingface
from sagewright_container.serving.handler import UserEndpoint
from sagewright_container.serving.message import Request, Response


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    tokenizer = AutoTokenizer.from_pretrained(alphabet())
    tokenizer.save_pretrained(folder)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    labels = {0: "calm", 1: "angry"}
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, id2label=labels, **shape)
    LlamaForSequenceClassification(config).save_pretrained(folder)
    return folder


def endpoint(folder: Path) -> UserEndpoint:
    return UserEndpoint(functions.bind(None, huggingface.DEFAULTS), folder)


def ask(served: UserEndpoint, body: Any, content_type: str = "application/json", accept: str = "") -> Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    (response,) = served.invoke([Request(data, content_type, accept)])
    return response


def document(response: Response) -> Any:
    assert isinstance(response.body, bytes)
    assert response.status == 200, response.body
    return json.loads(response.body)


def test_text_generation_by_the_architecture() -> None:
    served = endpoint(alphabet())
    asked = {"inputs": "abc", "parameters": {"max_new_tokens": 4, "return_full_text": False, "do_sample": False}}
    assert document(ask(served, asked)) == [{"generated_text": "defg"}]
    (answers,) = [document(ask(served, {"inputs": ["abc", "w"], "parameters": {"max_new_tokens": 1, "do_sample": False}}))]
    assert [answer[0]["generated_text"] for answer in answers] == [ALPHABET[:4], "wx"]


def test_text_classification_in_json_and_csv(classifier: Path) -> None:
    served = endpoint(classifier)
    (answer,) = document(ask(served, {"inputs": "I like it"}))
    assert answer["label"] in {"calm", "angry"}
    assert 0.5 <= answer["score"] <= 1
    everything = document(ask(served, {"inputs": "I like it", "parameters": {"top_k": None}}))
    assert len(everything[0] if isinstance(everything[0], list) else everything) == 2
    rows = ask(served, b"inputs\nfirst\n", "text/csv", "text/csv")
    assert isinstance(rows.body, bytes)
    assert rows.body.splitlines()[0] == b"label,score"


def test_a_picture(tmp_path: Path) -> None:
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    ViTForImageClassification(ViTConfig(image_size=8, patch_size=4, num_labels=3, **size)).save_pretrained(tmp_path)
    ViTImageProcessor(size={"height": 8, "width": 8}).save_pretrained(tmp_path)
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(buffer, "PNG")
    answer = document(ask(endpoint(tmp_path), buffer.getvalue(), "image/png"))
    assert sum(found["score"] for found in answer) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (b"{", "application/json", "Expecting property name"),
        (b'["a"]', "application/json", "must be a JSON object"),
        (b"a,b\n1,2\n", "text/csv", "Header columns"),
    ],
)
def test_failures_have_the_model_servers_form(classifier: Path, body: bytes, content_type: str, words: str) -> None:
    response = ask(endpoint(classifier), body, content_type)
    assert response.status == 400
    assert isinstance(response.body, bytes)
    found = json.loads(response.body)
    assert (found["code"], found["type"]) == (400, "InternalServerException")
    assert words in found["message"]


@pytest.mark.parametrize(
    ("environment", "words"),
    [({"HF_TASK": "summarization"}, "has no pipeline for summarization"), ({}, "There is no model")],
)
def test_what_cannot_be_loaded_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], words: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CodeError, match=words):
        endpoint(alphabet() if environment else tmp_path)
