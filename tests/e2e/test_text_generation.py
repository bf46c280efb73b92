"""Endpoints of TGI's and LMI's images on a model made on the spot, by boto3 against a real server (K02; text generation)."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.exceptions
import pytest
from support.jobs import archive, bucket, log_lines, wait_for_endpoint
from support.server import ROLE, Server, eventually
from support.text_models import ALPHABET, alphabet, files

AWS = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
TGI = f"{AWS}/huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04"
INFERENCE = f"{AWS}/huggingface-pytorch-inference:2.6.0-transformers4.49.0-cpu-py312-ubuntu22.04"
LMI = f"{AWS}/djl-inference:0.36.0-lmi27.0.0-cu130"
SINGLE = [{"VariantName": "AllTraffic", "ModelName": "", "InitialInstanceCount": 1, "InstanceType": "ml.g5.xlarge"}]


def deploy(server: Server, name: str, container: dict[str, Any]) -> dict[str, Any]:
    sagemaker = server.client("sagemaker")
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variants = [{**SINGLE[0], "ModelName": name}]
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    return wait_for_endpoint(sagemaker, name)


@pytest.fixture(scope="module")
def model(server: Server) -> str:
    """Its files below a prefix, and an archive of them."""
    store, s3 = bucket(server, "text-models"), server.client("s3")
    found = files(alphabet())
    for name, content in found.items():
        s3.put_object(Bucket=store, Key=f"files/{name}", Body=content)
    s3.put_object(Bucket=store, Key="model.tar.gz", Body=archive(dict(found)))
    return f"s3://{store}"


@pytest.fixture(scope="module")
def tgi(server: Server, model: str) -> str:
    """As `HuggingFaceModel(image_uri=get_huggingface_llm_image_uri(…))` describes it, with an uncompressed ModelDataSource."""
    source = {"S3Uri": f"{model}/files/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    environment = {"HF_MODEL_ID": "/opt/ml/model", "SM_NUM_GPUS": "1", "MAX_INPUT_LENGTH": "32", "MAX_TOTAL_TOKENS": "64"}
    described = deploy(server, "tgi", {"Image": TGI, "ModelDataSource": {"S3DataSource": source}, "Environment": environment})
    assert described["EndpointStatus"] == "InService", described
    return "tgi"


def invoke(server: Server, endpoint: str, document: Any) -> Any:
    body = json.dumps(document)
    answer = server.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, ContentType="application/json", Body=body
    )
    return json.loads(answer["Body"].read())


def stream(server: Server, endpoint: str, document: Any) -> list[str]:
    """The lines of the chunks put together."""
    answer = server.client("sagemaker-runtime").invoke_endpoint_with_response_stream(
        EndpointName=endpoint, ContentType="application/json", Body=json.dumps({**document, "stream": True})
    )
    parts = [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    assert len(parts) > 1
    return [line for line in b"".join(parts).decode().splitlines() if line]


def test_tgi_generates_and_streams(server: Server, tgi: str) -> None:
    answer = invoke(server, tgi, {"inputs": "abc", "parameters": {"max_new_tokens": 40, "return_full_text": False}})
    assert answer == [{"generated_text": ALPHABET[3:]}]
    events = [json.loads(line.removeprefix("data:")) for line in stream(server, tgi, {"inputs": "abc"})]
    assert "".join(event["token"]["text"] for event in events if not event["token"]["special"]) == ALPHABET[3:]
    assert events[-1]["generated_text"] == ALPHABET
    words = "No GPU is visible: the model runs on this machine's processors."
    eventually(lambda: words in log_lines(server, f"/aws/sagemaker/Endpoints/{tgi}", "AllTraffic/"))


def test_openai_messages(server: Server, tgi: str) -> None:
    asked = {"messages": [{"role": "user", "content": "uvw"}], "temperature": 0, "max_tokens": 3}
    answer = invoke(server, tgi, asked)
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "xyz"}
    *chunks, done = stream(server, tgi, asked)
    assert done == "data: [DONE]"
    deltas = [json.loads(chunk.removeprefix("data: "))["choices"][0]["delta"]["content"] for chunk in chunks]
    assert deltas == ["x", "y", "z"]


def test_many_callers_at_once(server: Server, tgi: str) -> None:
    letters = ALPHABET[:24]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda letter: invoke(server, tgi, {"inputs": letter, "parameters": {"max_new_tokens": 2}}), letters)
        )
    assert [answer[0]["generated_text"] for answer in answers] == [ALPHABET[place : place + 3] for place in range(24)]


def test_a_bad_request_is_a_model_error_with_the_servers_words(server: Server, tgi: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        invoke(server, tgi, {"inputs": "abc", "parameters": {"max_new_tokens": 1000}})
    error = caught.value.response
    assert error["Error"]["Code"] == "ModelError"
    assert error["OriginalStatusCode"] == 422
    assert json.loads(error["OriginalMessage"])["error_type"] == "validation"
    assert invoke(server, tgi, {"inputs": "a", "parameters": {"max_new_tokens": 1}}) == [{"generated_text": "ab"}]


def test_a_pipeline_without_a_script(server: Server, model: str) -> None:
    """K: the Hugging Face image's own handler, HF_TASK."""
    container = {"Image": INFERENCE, "ModelDataUrl": f"{model}/model.tar.gz", "Environment": {"HF_TASK": "text-generation"}}
    described = deploy(server, "pipeline", container)
    assert described["EndpointStatus"] == "InService", described
    given = {"max_new_tokens": 3, "do_sample": False, "return_full_text": False}
    assert invoke(server, "pipeline", {"inputs": "abc", "parameters": given}) == [{"generated_text": "def"}]
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        invoke(server, "pipeline", ["abc"])
    assert caught.value.response["OriginalStatusCode"] == 400


@pytest.mark.slow
def test_lmi_generates_and_streams(server: Server, model: str) -> None:
    container = {"Image": LMI, "ModelDataUrl": f"{model}/model.tar.gz", "Environment": {"OPTION_ROLLING_BATCH": "vllm"}}
    described = deploy(server, "lmi", container)
    assert described["EndpointStatus"] == "InService", described
    asked = {"inputs": "abc", "parameters": {"max_new_tokens": 2, "details": True}}
    answer = invoke(server, "lmi", asked)
    assert (answer["generated_text"], answer["details"]["finish_reason"]) == ("de", "length")
    lines = [json.loads(line) for line in stream(server, "lmi", asked)]
    assert [line["token"]["text"] for line in lines] == ["d", "e"]
    assert lines[-1]["details"]["generated_tokens"] == 2


def test_an_endpoint_without_a_model_says_what_is_missing(server: Server) -> None:
    described = deploy(server, "no-text-model", {"Image": TGI, "Environment": {"HF_MODEL_ID": "someone/some-model"}})
    assert described["EndpointStatus"] == "Failed"
    group = "/aws/sagemaker/Endpoints/no-text-model"
    eventually(lambda: any("Put the model's files into S3" in line for line in log_lines(server, group, "AllTraffic/")))
