"""Text generation in the forms of TGI, LMI, vLLM and OpenAI, on a model that was made on the spot (issue: text generation)."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from support.text_models import ALPHABET, LONGEST, alphabet

from sagewright_container.serving.message import Request, Response
from sagewright_container.text_generation import batch, vllm
from sagewright_container.text_generation.configuration import Configuration, ConfigurationError
from sagewright_container.text_generation.endpoint import TextEndpoint
from sagewright_container.text_generation.lmi import Lmi
from sagewright_container.text_generation.model import TextModel, load
from sagewright_container.text_generation.parameters import Parameters
from sagewright_container.text_generation.sglang import Sglang
from sagewright_container.text_generation.tgi import Tgi

DIALECTS = {"tgi": Tgi, "lmi": Lmi, "vllm": vllm.Vllm, "sglang": Sglang}


@pytest.fixture(scope="module")
def model() -> TextModel:
    return load(Configuration.of("tgi", alphabet(), {}))


class Asked:
    """An endpoint of one server's form."""

    def __init__(self, model: TextModel, server: str, **environment: str) -> None:
        self.model = TextModel(model.tokenizer, model._engine._network, Configuration.of(server, alphabet(), environment))
        self.endpoint = TextEndpoint(DIALECTS[server](self.model), self.model.configuration.clients)

    def whole(self, document: Any) -> Response:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        (response,) = self.endpoint.invoke([Request(body, "application/json")])
        return response

    def document(self, document: Any, status: int = 200) -> Any:
        response = self.whole(document)
        assert isinstance(response.body, bytes)
        assert response.status == status, response.body
        return json.loads(response.body)

    def pieces(self, document: Any, prefix: str) -> list[Any]:
        """The documents of a stream; [DONE] as it is."""
        response = self.whole(document)
        assert response.status == 200, response.body
        assert not isinstance(response.body, bytes)
        text = b"".join(response.body).decode()
        lines = [line.removeprefix(prefix).strip() for line in text.splitlines() if line]
        assert text.count(prefix) >= len(lines)
        return [line if line == "[DONE]" else json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def tgi(model: TextModel) -> Asked:
    return Asked(model, "tgi")


def after(start: str) -> str:
    return ALPHABET[ALPHABET.index(start[-1]) + 1 :]


def test_tgi_answers_a_list_with_the_whole_text(tgi: Asked) -> None:
    answer = tgi.document({"inputs": "abc", "parameters": {"do_sample": False}})
    assert answer == [{"generated_text": "abc" + after("c")}]
    (short,) = tgi.document({"inputs": "abc", "parameters": {"max_new_tokens": 4, "return_full_text": False}})
    assert short == {"generated_text": "defg"}


def test_tgi_tells_details(tgi: Asked) -> None:
    given = {"max_new_tokens": 3, "details": True, "decoder_input_details": True, "top_n_tokens": 2, "return_full_text": False}
    (answer,) = tgi.document({"inputs": "xyz", "parameters": given})
    details = answer["details"]
    assert answer["generated_text"] == "é."
    assert [token["text"] for token in details["tokens"]] == ["", "é", "."]
    assert (details["finish_reason"], details["generated_tokens"], details["seed"]) == ("length", 3, None)
    assert [token["text"] for token in details["prefill"]] == ["<s>", "x", "y", "z"]
    assert details["prefill"][0]["logprob"] is None
    assert all(-1 < token["logprob"] < 0 for token in details["tokens"])
    assert [len(tokens) for tokens in details["top_tokens"]] == [2, 2, 2]
    assert [tokens[0]["id"] for tokens in details["top_tokens"]] == [token["id"] for token in details["tokens"]]


def test_tgi_streams_events(tgi: Asked) -> None:
    request = {"inputs": "wx", "stream": True, "parameters": {"details": True}}
    *firsts, last = tgi.pieces(request, "data:")
    assert [piece["index"] for piece in (*firsts, last)] == list(range(1, len(firsts) + 2))
    assert all(piece["generated_text"] is None and piece["details"] is None for piece in firsts)
    assert "".join(piece["token"]["text"] for piece in firsts) == after("x")
    assert last["token"] == {"id": 1, "text": "</s>", "logprob": last["token"]["logprob"], "special": True}
    assert last["generated_text"] == "wx" + after("x")
    assert last["details"]["finish_reason"] == "eos_token"
    assert last["details"]["input_length"] == 3


def test_tgi_stops_after_the_sequence_and_openai_before_it(tgi: Asked, model: TextModel) -> None:
    (answer,) = tgi.document({"inputs": "abc", "parameters": {"stop": ["ijk", "zzz"], "details": True}})
    assert answer["generated_text"] == "abcdefghijk"
    assert answer["details"]["finish_reason"] == "stop_sequence"
    chat = {"messages": [{"role": "user", "content": "abc"}], "temperature": 0, "stop": "ijk"}
    other = Asked(model, "vllm")
    (choice,) = other.document(chat)["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("defgh", "stop")
    pieces = other.pieces({**chat, "stream": True}, "data: ")
    assert "".join(piece["choices"][0]["delta"]["content"] for piece in pieces[:-1]) == "defgh"
    (choice,) = other.document({**chat, "stop": "ij!"})["choices"]
    assert choice["message"]["content"] == after("c")


def test_the_same_seed_draws_the_same_text(tgi: Asked) -> None:
    hot = {"temperature": 40.0, "max_new_tokens": 20, "return_full_text": False}
    texts = [tgi.document({"inputs": "a", "parameters": {**hot, "seed": seed}})[0]["generated_text"] for seed in (7, 7, 8)]
    assert texts[0] == texts[1] != texts[2]
    (cold,) = tgi.document({"inputs": "a", "parameters": {**hot, "seed": 7, "top_k": 1}})
    assert cold["generated_text"] == ALPHABET[1:21]


def test_penalties_and_watermark_change_the_distribution(tgi: Asked) -> None:
    plain = {"max_new_tokens": 6, "return_full_text": False}
    for more in (
        {"repetition_penalty": 1000.0},
        {"watermark": True},
        {"typical_p": 0.9, "seed": 1},
        {"frequency_penalty": 2.0},
    ):
        (answer,) = tgi.document({"inputs": "bbb", "parameters": {**plain, **more}})
        assert len(answer["generated_text"]) > 0
    sure = {"inputs": "abc", "parameters": {**plain, "details": True}}
    marked = {"inputs": "abc", "parameters": {**plain, "details": True, "watermark": True}}
    logprobs = [[token["logprob"] for token in tgi.document(asked)[0]["details"]["tokens"]] for asked in (sure, marked)]
    assert logprobs[0] != logprobs[1]


def test_best_of_gives_the_most_probable(tgi: Asked) -> None:
    given = {"best_of": 2, "temperature": 30.0, "max_new_tokens": 5, "details": True}
    (answer,) = tgi.document({"inputs": "abc", "parameters": given})
    (other,) = answer["details"]["best_of_sequences"]
    means = [sum(token["logprob"] for token in found["tokens"]) / len(found["tokens"]) for found in (answer["details"], other)]
    assert means[0] >= means[1]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"temperature": 0}, "`temperature` must be strictly positive"),
        ({"top_p": 1.0}, "`top_p` must be > 0.0 and < 1.0"),
        ({"top_k": 0}, "`top_k` must be strictly positive"),
        ({"typical_p": 2}, "`typical_p` must be > 0.0 and < 1.0"),
        ({"repetition_penalty": 0.0}, "`repetition_penalty` must be strictly positive"),
        ({"max_new_tokens": 0}, "`max_new_tokens` must be strictly positive"),
        ({"stop": ["a"] * 5}, "`stop` supports up to 4 stop sequences. Given: 5"),
        ({"best_of": 3, "do_sample": True}, "`best_of` must be > 0 and <= 2. Given: 3"),
        ({"best_of": 2}, "you must use sampling when `best_of` is > 1"),
        ({"truncate": 64}, "`truncate` must be strictly positive and less than 63. Given: 64"),
        ({"grammar": {"type": "json", "value": {}}}, "grammar is not supported"),
        (
            {"max_new_tokens": 61},
            "`inputs` tokens + `max_new_tokens` must be <= 64. Given: 4 `inputs` tokens and 61 `max_new_tokens`",
        ),
    ],
)
def test_tgi_refuses_in_its_words(tgi: Asked, given: dict[str, Any], words: str) -> None:
    refused = {"error": f"Input validation error: {words}", "error_type": "validation"}
    assert tgi.document({"inputs": "abc", "parameters": given}, 422) == refused
    if "best_of" not in given:
        assert tgi.pieces({"inputs": "abc", "parameters": given, "stream": True}, "data:") == [refused]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"inputs": 1}', 422),
        (b'{"inputs": "a", "parameters": {"top_k": "x"}}', 422),
    ],
)
def test_tgi_answers_what_it_cannot_read(tgi: Asked, body: bytes, status: int) -> None:
    response = tgi.whole(body)
    assert response.status == status
    assert isinstance(response.body, bytes)
    assert response.body.startswith(b"Failed to ")
    assert tgi.document({"inputs": ""}, 422)["error"] == "Input validation error: `inputs` cannot be empty"


def test_limits_of_the_environment(model: TextModel) -> None:
    limited = Asked(model, "tgi", MAX_INPUT_LENGTH="5", MAX_TOTAL_TOKENS="10")
    refused = limited.document({"inputs": "abcdef", "parameters": {"max_new_tokens": 1}}, 422)
    assert refused["error"] == "Input validation error: `inputs` must have less than 5 tokens. Given: 7"
    (answer,) = limited.document({"inputs": "abcdef", "parameters": {"truncate": 3, "max_new_tokens": 2}})
    assert answer["generated_text"] == "abcdefgh"


def test_chat_by_the_models_template(tgi: Asked) -> None:
    messages = [{"role": "system", "content": "ab"}, {"role": "user", "content": [{"type": "text", "text": "c"}]}]
    asked = {"messages": messages, "temperature": 0, "max_tokens": 3, "logprobs": True, "top_logprobs": 2}
    answer = tgi.document(asked)
    (choice,) = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": "def"}
    assert choice["finish_reason"] == "length"
    assert answer["usage"] == {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}
    assert [len(token["top_logprobs"]) for token in choice["logprobs"]["content"]] == [2, 2, 2]
    *pieces, usage, done = tgi.pieces({**asked, "stream": True, "stream_options": {"include_usage": True}}, "data: ")
    assert done == "[DONE]"
    assert [piece["choices"][0]["delta"].get("role") for piece in pieces] == ["assistant", None, None]
    assert "".join(piece["choices"][0]["delta"]["content"] for piece in pieces) == "def"
    assert pieces[-1]["choices"][0]["finish_reason"] == "length"
    assert usage["usage"]["total_tokens"] == 7
    picture = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}
    assert "modality is not supported" in tgi.document(picture, 422)["error"]


def test_a_model_without_a_template_has_no_chat(model: TextModel) -> None:
    bare = Asked(load(Configuration.of("tgi", alphabet(), {})), "tgi")
    bare.model.tokenizer.chat_template = None
    refused = bare.document({"messages": [{"role": "user", "content": "a"}]}, 422)
    assert refused == {"error": "Template error: template not found", "error_type": "template_error"}


def test_completions(model: TextModel) -> None:
    answer = Asked(model, "vllm").document({"prompt": "abc", "max_tokens": 3, "temperature": 0, "n": 2, "logprobs": 1})
    assert [choice["text"] for choice in answer["choices"]] == ["def", "def"]
    assert answer["choices"][0]["logprobs"]["tokens"] == ["d", "e", "f"]
    refused = Asked(model, "vllm").document({"prompt": "abc", "temperature": 9}, 400)
    assert refused["error"]["type"] == "BadRequestError"
    assert Asked(model, "vllm").document({"inputs": "abc"}, 400)["error"]["code"] == 400


def test_lmi_answers_an_object_and_streams_lines(model: TextModel) -> None:
    lmi = Asked(model, "lmi", SAGEWRIGHT_IMAGE_VERSION="0.31.0")
    answer = lmi.document({"inputs": "abc", "parameters": {"max_new_tokens": 2, "details": True}})
    assert answer["generated_text"] == "de"
    assert {name: answer["details"][name] for name in ("finish_reason", "generated_tokens", "inputs")} == {
        "finish_reason": "length",
        "generated_tokens": 2,
        "inputs": "abc",
    }
    assert [set(token) for token in answer["details"]["tokens"]] == [{"id", "text", "log_prob"}] * 2
    response = lmi.whole({"inputs": "abc", "stream": True, "parameters": {"max_new_tokens": 3}})
    assert response.content_type == "application/jsonlines"
    pieces = [json.loads(line) for line in b"".join(response.body).splitlines()]
    assert [piece["token"]["text"] for piece in pieces] == ["d", "e", "f"]
    assert ["generated_text" in piece for piece in pieces] == [False, False, True]
    chat = {"messages": [{"role": "user", "content": "xyz"}], "temperature": 0, "stream": True}
    assert lmi.pieces(chat, "{"[1:])[-1]["choices"][0]["finish_reason"] == "eos_token"
    assert lmi.document({"parameters": {}}, 424) == {"error": "`inputs` must be a string", "code": 424}


def test_lmi_options(model: TextModel) -> None:
    """OPTION_TGI_COMPAT, OPTION_OUTPUT_FORMATTER, dynamic batching."""
    compatible = Asked(model, "lmi", OPTION_TGI_COMPAT="true")
    assert compatible.document({"inputs": "abc", "parameters": {"max_new_tokens": 1}}) == [{"generated_text": "d"}]
    assert compatible.pieces({"inputs": "z", "stream": True}, "data: ")[-1]["details"]["finish_reason"] == "eos_token"
    several = Asked(model, "lmi", OPTION_ROLLING_BATCH="disable")
    answer = several.document({"inputs": ["abc", "xy"], "parameters": {"max_new_tokens": 1}})
    assert answer == [{"generated_text": "d"}, {"generated_text": "z"}]
    events = Asked(model, "lmi", OPTION_OUTPUT_FORMATTER="sse")
    assert events.pieces({"inputs": "z"}, "data: ")[-1]["generated_text"] == "é."
    newer = Asked(model, "lmi", SAGEWRIGHT_IMAGE_VERSION="0.36.0")
    assert (
        newer.pieces({"messages": [{"role": "user", "content": "z"}], "temperature": 0, "stream": True}, "data: ")[-1]
        == "[DONE]"
    )


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_many_at_once_get_what_each_would_get_alone(kind: str) -> None:
    """Rows of different lengths come, are decoded together, and go."""
    alone = load(Configuration.of("tgi", alphabet(kind), {}))
    starts = ["a", "tuvwxy", "abcdefghi", "m", "pqr", "xyz", "hijk", "cdef"] * 3
    with ThreadPoolExecutor(len(starts)) as pool:
        texts = list(pool.map(lambda start: text_of(alone, start), starts))
    assert texts == [text_of(alone, start) for start in starts[:8]] * 3


def text_of(model: TextModel, prompt: str) -> str:
    return "".join(step.text for step in model.generate(model.tokens(prompt), Parameters(max_new_tokens=40)))


def test_a_token_is_handed_over_when_it_is_made(model: TextModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second pass of the model is held until the first token was seen."""
    seen, step = threading.Event(), batch.Batch.step
    monkeypatch.setattr(batch.Batch, "step", lambda self, last: step(self, last) if seen.wait(20) else None)
    steps = iter(model.generate(model.tokens("abc"), Parameters(max_new_tokens=2)))
    assert next(steps).text == "d"
    seen.set()
    assert next(steps).text == "e"


def test_a_model_that_fails_fails_its_requests_and_goes_on(tgi: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: batch.Batch, last: list[int]) -> torch.Tensor:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(batch.Batch, "step", broken)
        refused = tgi.document({"inputs": "abc"}, 424)
        assert refused == {"error": "Request failed during generation: out of memory", "error_type": "generation"}
        *_, last = tgi.pieces({"inputs": "abc", "stream": True}, "data:")
        assert last == refused
    assert tgi.document({"inputs": "abc", "parameters": {"max_new_tokens": 1}}) == [{"generated_text": "abcd"}]


def test_too_many_requests_are_told_so_and_a_reader_that_leaves_gives_its_place_back(model: TextModel) -> None:
    one = Asked(model, "tgi", MAX_CONCURRENT_REQUESTS="1")
    streamed = one.whole({"inputs": "abc", "stream": True})
    assert one.document({"inputs": "abc"}, 429) == {"error": "Model is overloaded", "error_type": "overloaded"}
    del streamed
    one.document({"inputs": "abc", "parameters": {"max_new_tokens": 1}})


def test_a_generation_ends_when_nobody_listens(model: TextModel) -> None:
    stream = iter(Asked(model, "tgi").whole({"inputs": "abc", "stream": True}).body)
    assert b"data:" in next(stream)
    stream.close()  # type: ignore[union-attr]
    assert text_of(model, "xyz") == after("z")


@pytest.mark.parametrize(
    ("server", "environment", "words"),
    [
        ("tgi", {"MAX_INPUT_LENGTH": "9", "MAX_TOTAL_TOKENS": "9"}, "`max_input_tokens` must be < `max_total_tokens`"),
        ("tgi", {"MAX_TOTAL_TOKENS": "many"}, "MAX_TOTAL_TOKENS must be a whole number"),
        ("tgi", {"HF_MODEL_ID": "/opt/ml/model/none"}, "There is no model"),
        ("lmi", {"OPTION_MODEL_ID": "s3://bucket/model"}, "must come as ModelDataUrl or ModelDataSource"),
        ("lmi", {"OPTION_ENTRYPOINT": "model.py"}, "DJL Serving's Python engine"),
        ("tgi", {"HF_MODEL_DTYPE": "float17"}, "is no data type"),
    ],
)
def test_a_configuration_that_cannot_work_is_told(server: str, environment: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load(Configuration.of(server, alphabet(), environment))


def test_a_name_of_the_hub_is_told_to_come_by_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="Put the model's files into S3"):
        load(Configuration.of("tgi", Path("/nowhere"), {"HF_MODEL_ID": "someone/some-model"}))


def test_serving_properties_win_over_the_environment(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "serving.properties").write_text(
        "engine=Python\n# a comment\noption.max_model_len = 40\noption.tgi_compat=true\n"
    )
    found = Configuration.of("lmi", tmp_path, {"OPTION_MAX_MODEL_LEN": "50", "OPTION_TENSOR_PARALLEL_DEGREE": "max"})
    assert (found.longest, found.like_tgi, found.accelerators) == (40, True, 1)


def test_a_model_takes_no_more_than_it_can(model: TextModel) -> None:
    assert Asked(model, "tgi", MAX_TOTAL_TOKENS="4096", MAX_INPUT_LENGTH="2048").model.longest == LONGEST


def test_sglang_is_chats_and_nothing_else(model: TextModel) -> None:
    """http_server.py of sgl-project/sglang: /invocations is the chat completion; errors are not nested."""
    sglang = Asked(model, "sglang", SM_SGLANG_CONTEXT_LENGTH="32")
    assert sglang.model.longest == 32
    messages = [{"role": "user", "content": "abc"}]
    answer = sglang.document({"messages": messages, "temperature": 0, "max_tokens": 3})
    assert answer["choices"][0]["message"]["content"] == "def"
    *pieces, done = sglang.pieces({"messages": messages, "temperature": 0, "max_tokens": 3, "stream": True}, "data: ")
    assert (done, "".join(piece["choices"][0]["delta"].get("content") or "" for piece in pieces)) == ("[DONE]", "def")
    refused = sglang.document({"prompt": "abc"}, 400)
    assert (refused["object"], refused["type"], refused["code"]) == ("error", "BadRequestError", 400)
