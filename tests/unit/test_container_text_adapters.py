"""LoRA adapters of a text model, on demand and side by side (K06; API InferenceComponentSpecification, BaseInferenceComponentName)."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from support.text_adapters import adapter, merged, written
from support.text_models import ALPHABET, alphabet

from sagewright_container.serving.connection import HttpConnection
from sagewright_container.serving.message import Request, Response
from sagewright_container.text_generation.configuration import Configuration
from sagewright_container.text_generation.endpoint import TextEndpoint
from sagewright_container.text_generation.lmi import Lmi
from sagewright_container.text_generation.lora import AdapterError, read
from sagewright_container.text_generation.model import TextModel, load
from sagewright_container.text_generation.serve import _dialect
from sagewright_container.text_generation.shelf import Shelf

LMI = {"OPTION_ENABLE_LORA": "true"}
VLLM = {"SM_VLLM_ENABLE_LORA": "true", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "true"}
TOKENS = 8


def endpoint(server: str = "lmi", kind: str = "llama", **environment: str) -> TextEndpoint:
    model = load(Configuration.of(server, alphabet(kind), {**(LMI if server == "lmi" else VLLM), **environment}))
    return TextEndpoint(_dialect(model), 32, Shelf(model, _dialect, model.configuration.most_rank))


@pytest.fixture(scope="module")
def shared() -> TextEndpoint:
    return endpoint()


def put(to: TextEndpoint, name: str, folder: Path) -> Response:
    body = json.dumps({"name": name, "src": str(folder), "preload": True}).encode()
    return to.invoke([Request(body, "application/json", operation="load_adapter")])[0]


def drop(to: TextEndpoint, name: str) -> Response:
    return to.invoke([Request(b"", operation="unload_adapter", adapter=name)])[0]


def said(to: TextEndpoint, name: str = "", prompt: str = "abc") -> str:
    asked = {"inputs": prompt, "parameters": {"max_new_tokens": TOKENS, "do_sample": False}}
    (answer,) = to.invoke([Request(json.dumps(asked).encode(), adapter=name)])
    assert answer.status == 200, answer.body
    assert isinstance(answer.body, bytes)
    return str(json.loads(answer.body)["generated_text"])


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_an_adapter_answers_as_if_it_were_merged(tmp_path: Path, kind: str) -> None:
    """Of linear modules and of GPT-2's, whose weights are transposed; the base model goes on as it was."""
    to, files = endpoint(kind=kind), adapter(1, kind)
    before = said(to)
    assert before == ALPHABET[3 : 3 + TOKENS]
    assert put(to, "one", written(tmp_path, files)).body == b"Adapter one registered"
    expected = merged(files, "abc", TOKENS, kind)
    assert expected != before
    assert said(to, "one") == expected
    assert said(to) == before


def test_rank_stabilised_scaling_and_patterns(shared: TextEndpoint, tmp_path: Path) -> None:
    """PEFT: use_rslora divides by the root of the rank; alpha_pattern has the last word about a module."""
    stable = adapter(5, alpha=2.0, use_rslora=True)
    put(shared, "stable", written(tmp_path / "stable", stable))
    assert said(shared, "stable") == merged(stable, "abc", TOKENS)
    files = adapter(5, alpha_pattern={"q_proj": 16, "nothing": 3})
    lora = read(written(tmp_path / "pattern", files), shared._shelf._model.network, 16)  # type: ignore[union-attr]
    assert {pair.scale for path, pair in lora.pairs.items() if path.endswith("q_proj")} == {4.0}
    assert {pair.scale for path, pair in lora.pairs.items() if not path.endswith("q_proj")} == {2.0}


def test_many_adapters_are_decoded_together(shared: TextEndpoint, tmp_path: Path) -> None:
    """Rows of the base model and of several adapters share one batch, and none sees another's weights."""
    files = {f"a{seed}": adapter(seed) for seed in range(1, 4)}
    for name, content in files.items():
        put(shared, name, written(tmp_path / name, content))
    prompts = ["abc", "mn"]
    asked = [(name, prompt) for prompt in prompts for name in ("", *files)]
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda each: said(shared, *each), asked * 2))
    for (name, prompt), answer in zip(asked * 2, answers, strict=True):
        start = ALPHABET.index(prompt[-1]) + 1
        expected = merged(files[name], prompt, TOKENS) if name else ALPHABET[start : start + TOKENS]
        assert answer == expected, (name, prompt)


def test_an_adapter_that_leaves_is_unknown_and_what_runs_goes_on(shared: TextEndpoint, tmp_path: Path) -> None:
    files = adapter(7)
    put(shared, "leaving", written(tmp_path, files))
    body = {"inputs": "abc", "parameters": {"max_new_tokens": TOKENS, "do_sample": False}, "stream": True}
    (answer,) = shared.invoke([Request(json.dumps(body).encode(), adapter="leaving")])
    assert not isinstance(answer.body, bytes)
    pieces = iter(answer.body)
    first = next(pieces)
    assert drop(shared, "leaving").status == 200
    assert drop(shared, "leaving").status == 404
    last = json.loads([first, *pieces][-1])
    assert last["generated_text"] == merged(files, "abc", TOKENS)
    (refused,) = shared.invoke([Request(b'{"inputs": "abc"}', adapter="leaving", alias="mine")])
    assert (refused.status, b"The model `mine` does not exist." in bytes(refused.body)) == (424, True)  # type: ignore[arg-type]


def test_vllm_names_the_adapter_as_the_model(tmp_path: Path) -> None:
    """vLLM's container puts the adapter where the request has its model."""
    to = endpoint("vllm")
    put(to, "one-1a2b", written(tmp_path, adapter(1)))
    body = json.dumps({"model": "base", "prompt": "abc", "max_tokens": 2}).encode()
    (answer,) = to.invoke([Request(body, adapter="one-1a2b", alias="one")])
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body)["model"] == "one"
    (missing,) = to.invoke([Request(body, adapter="two")])
    assert (missing.status, json.loads(bytes(missing.body))["error"]["type"]) == (404, "NotFoundError")  # type: ignore[arg-type]


def broken(**changes: Any) -> dict[str, bytes]:
    return {**adapter(1), **changes}


def config(**changes: Any) -> dict[str, bytes]:
    return adapter(1, **changes)


def weights(**tensors: torch.Tensor) -> dict[str, bytes]:
    return {**adapter(1), "adapter_model.safetensors": save({name.replace("__", "."): tensors[name] for name in tensors})}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "no adapter_config.json"),
        (broken(**{"adapter_config.json": b"{"}), "cannot be read"),
        (config(peft_type="IA3"), "type LORA"),
        (config(use_dora=True), "use_dora"),
        (config(bias="all"), "bias"),
        (config(modules_to_save=["lm_head"]), "modules_to_save"),
        (config(lora_alpha="much"), "lora_alpha"),
        (config(alpha_pattern={"(": 1}), "alpha_pattern"),
        (config(rank=32), "LoRA rank 32 is greater than max_lora_rank 16"),
        ({"adapter_config.json": adapter(1)["adapter_config.json"]}, "no adapter_model.safetensors"),
        (broken(**{"adapter_model.safetensors": b"no"}), "weights cannot be read"),
        (weights(), "doesn't contain tensors"),
        (weights(model__embed_tokens__lora_embedding_A=torch.ones(2, 2)), "another kind"),
        (weights(model__nowhere__lora_A__weight=torch.ones(2, 2)), "only half"),
        (
            weights(model__nowhere__lora_A__weight=torch.ones(2, 2), model__nowhere__lora_B__weight=torch.ones(2, 2)),
            "no module model.nowhere",
        ),
        (weights(lm_head__lora_A__weight=torch.ones(2, 5), lm_head__lora_B__weight=torch.ones(9, 2)), "takes 32 values"),
    ],
)
def test_what_cannot_be_an_adapter(shared: TextEndpoint, tmp_path: Path, files: dict[str, bytes], words: str) -> None:
    """The container says why, and goes on serving."""
    refused = put(shared, "bad", written(tmp_path / "bad", files))
    assert (refused.status, isinstance(refused.body, bytes)) == (400, True)
    assert words in bytes(refused.body).decode()  # type: ignore[arg-type]
    assert said(shared) == ALPHABET[3 : 3 + TOKENS]


def test_a_pickle_is_read_without_running_it(shared: TextEndpoint, tmp_path: Path) -> None:
    """adapter_model.bin of older PEFTs: weights only."""
    folder = written(tmp_path, {"adapter_config.json": adapter(1)["adapter_config.json"]})
    torch.save({"x": print}, folder / "adapter_model.bin")
    with pytest.raises(AdapterError, match="cannot be read"):
        read(folder, shared._shelf._model.network, 16)  # type: ignore[union-attr]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"name": "a"}', b'{"name": "a/b", "src": "/x"}', b'{"name": 1, "src": "/x"}'])
def test_a_bad_question_about_adapters(shared: TextEndpoint, body: bytes) -> None:
    assert shared.invoke([Request(body, operation="load_adapter")])[0].status == 400


def test_the_routes_of_the_container(shared: TextEndpoint) -> None:
    """POST /adapters, DELETE /adapters/{name}; nothing of the kind where adapters were not asked for."""

    def asked(of: Any, text: bytes) -> tuple[list[Request], bytes]:
        connection = HttpConnection(of, 1 << 20)
        return [request for _, request in connection.receive(text)], bytes(connection.outgoing)

    post = b"POST /adapters HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    ((loading,), _) = asked(shared, post)
    assert (loading.operation, loading.body) == ("load_adapter", b"{}")
    ((leaving,), _) = asked(shared, b"DELETE /adapters/one HTTP/1.1\r\n\r\n")
    assert (leaving.operation, leaving.adapter) == ("unload_adapter", "one")
    header = b"X-Amzn-SageMaker-Adapter-Identifier: one-1\r\nX-Amzn-SageMaker-Adapter-Alias: one\r\n"
    ((invoked,), _) = asked(shared, b"POST /invocations HTTP/1.1\r\n" + header + b"Content-Length: 0\r\n\r\n")
    assert (invoked.adapter, invoked.alias) == ("one-1", "one")
    model = TextModel.__new__(TextModel)
    model.configuration = Configuration("lmi", "")
    plain = TextEndpoint(Lmi(model), 1)
    for text in (post, b"DELETE /adapters/one HTTP/1.1\r\n\r\n", b"DELETE /adapters/a/b HTTP/1.1\r\n\r\n"):
        questions, answer = asked(plain, text)
        assert not questions
        assert answer.startswith(b"HTTP/1.1 404")
