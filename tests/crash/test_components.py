"""kill -9 of control at many points of inference components and their adapters: nothing is started twice, lost or left (C01, K06)."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.jobs import archive, bucket, wait_for_endpoint
from support.server import ROLE, Server, eventually, running_server
from support.serving import xgboost_model
from support.text_adapters import adapter, merged
from support.text_models import alphabet, files

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
VLLM = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-vllm:0.11.0-gpu-py312-cu128-ubuntu22.04"
SMALL = {"MinMemoryRequiredInMb": 256}
POINTS = (0.0, 0.05, 0.2, 0.5, 1.0)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


@pytest.fixture(scope="module")
def store(server: Server) -> str:
    """Two models, and an endpoint ``e`` for components."""
    held, s3, sagemaker = bucket(server, "component-survival"), server.client("s3"), server.client("sagemaker")
    for name, slope in (("one", 1.0), ("three", 3.0)):
        s3.put_object(Bucket=held, Key=f"{name}.tar.gz", Body=archive({"xgboost-model": xgboost_model(slope)}))
        container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{held}/{name}.tar.gz"}
        sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    host = {"VariantName": "v", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="e", ProductionVariants=[host], ExecutionRoleArn=ROLE)
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="e")
    assert wait_for_endpoint(sagemaker, "e")["EndpointStatus"] == "InService"
    return held


def killed(server: Server, after: float) -> None:
    """Control dies so long after what was asked last, and is there again."""
    begun = time.monotonic()
    eventually(lambda: time.monotonic() >= begun + after)
    server.kill("control")
    server.wait_until_healthy()


def describe(server: Server, name: str) -> dict[str, Any]:
    return dict(server.client("sagemaker").describe_inference_component(InferenceComponentName=name))


def settled(server: Server, name: str) -> dict[str, Any]:
    ended = ("InService", "Failed")
    eventually(lambda: describe(server, name)["InferenceComponentStatus"] in ended, 120, lambda: str(describe(server, name)))
    return describe(server, name)


def said(server: Server, name: str, body: str, kind: str = "text/csv") -> str:
    answer = server.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="e", InferenceComponentName=name, ContentType=kind, Body=body
    )
    return str(answer["Body"].read().decode())


def started(server: Server, name: str) -> int:
    """Containers of a component that were ever started and not taken down."""
    return len(list(server.settings.jobs.glob(f"inference-component/*/*/{name}/*/*/started.json")))


@pytest.mark.slow
def test_copies_are_started_once_and_all_of_them_go(server: Server, store: str) -> None:
    """Created, grown, updated and deleted, with a kill at another moment of each."""
    sagemaker = server.client("sagemaker")
    for at, after in enumerate(POINTS):
        name = f"c{at}"
        sagemaker.create_inference_component(
            InferenceComponentName=name,
            EndpointName="e",
            VariantName="v",
            Specification={"ModelName": "one", "ComputeResourceRequirements": SMALL},
            RuntimeConfig={"CopyCount": 1},
        )
        killed(server, after)
        assert settled(server, name)["RuntimeConfig"] == {"DesiredCopyCount": 1, "CurrentCopyCount": 1}
        assert started(server, name) == 1
        sagemaker.update_inference_component_runtime_config(InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": 2})
        killed(server, after)
        assert settled(server, name)["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
        assert started(server, name) == 2
        policy = {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1}, "WaitIntervalInSeconds": 1}
        sagemaker.update_inference_component(
            InferenceComponentName=name,
            Specification={"ModelName": "three", "ComputeResourceRequirements": SMALL},
            DeploymentConfig={"RollingUpdatePolicy": policy},
        )
        killed(server, after)
        found = settled(server, name)
        assert (found["Specification"]["ModelName"], found.get("FailureReason")) == ("three", None)
        assert {round(float(said(server, name, "3,1"))) for _ in range(4)} == {9}
        sagemaker.delete_inference_component(InferenceComponentName=name)
        killed(server, after)
    eventually(lambda: not sagemaker.list_inference_components()["InferenceComponents"], 120)
    assert not list(server.settings.jobs.glob("inference-component/*/*/*"))


@pytest.mark.slow
@pytest.mark.parametrize("reached", ["1.partial", "1"], ids=["while it is fetched", "while it is copied"])
def test_a_model_that_is_kept_is_whole_after_a_kill(server: Server, store: str, reached: str) -> None:
    """API InferenceComponentDataCacheConfig: all copies come up, nothing that was cut off stays, and what was whole is not fetched again."""
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    body = archive({"xgboost-model": xgboost_model(3.0), "ballast": random.Random(0).randbytes(64 * 1024**2)})
    s3.put_object(Bucket=store, Key="large.tar.gz", Body=body)
    sagemaker.create_inference_component(
        InferenceComponentName="kept",
        EndpointName="e",
        VariantName="v",
        Specification={
            "Container": {"Image": XGBOOST, "ArtifactUrl": f"s3://{store}/large.tar.gz"},
            "ComputeResourceRequirements": SMALL,
            "DataCacheConfig": {"EnableCaching": True},
        },
        RuntimeConfig={"CopyCount": 3},
    )
    eventually(lambda: list(server.settings.jobs.glob(f"inference-component/*/*/kept/.cache/{reached}")))
    server.kill("control")
    whole = bool(list(server.settings.jobs.glob("inference-component/*/*/kept/.cache/1")))
    assert whole == (reached == "1")
    if whole:
        s3.delete_object(Bucket=store, Key="large.tar.gz")
    server.wait_until_healthy()
    found = settled(server, "kept")
    assert found["RuntimeConfig"] == {"DesiredCopyCount": 3, "CurrentCopyCount": 3}, found
    assert {round(float(said(server, "kept", "3,1"))) for _ in range(6)} == {9}
    (cache,) = server.settings.jobs.glob("inference-component/*/*/kept/.cache")
    assert [entry.name for entry in cache.iterdir()] == ["1"]
    sagemaker.delete_inference_component(InferenceComponentName="kept")
    eventually(lambda: not list(server.settings.jobs.glob("inference-component/*/*/kept")), 60)


@pytest.mark.slow
def test_adapters_are_loaded_once_and_answer_after_a_kill_of_everything(server: Server, store: str) -> None:
    sagemaker, s3 = server.client("sagemaker"), server.client("s3")
    s3.put_object(Bucket=store, Key="text.tar.gz", Body=archive(dict(files(alphabet()))))
    for seed in range(len(POINTS)):
        s3.put_object(Bucket=store, Key=f"a{seed}.tar.gz", Body=archive(adapter(seed)))
    switches = {"SM_VLLM_ENABLE_LORA": "true", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "true"}
    container = {"Image": VLLM, "ModelDataUrl": f"s3://{store}/text.tar.gz", "Environment": switches}
    sagemaker.create_model(ModelName="text", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    sagemaker.create_inference_component(
        InferenceComponentName="base",
        EndpointName="e",
        VariantName="v",
        Specification={"ModelName": "text", "ComputeResourceRequirements": SMALL},
        RuntimeConfig={"CopyCount": 1},
    )
    assert settled(server, "base")["InferenceComponentStatus"] == "InService"
    names = []
    for seed, after in enumerate(POINTS):
        names.append(f"a{seed}")
        specification = {
            "BaseInferenceComponentName": "base",
            "Container": {"ArtifactUrl": f"s3://{store}/a{seed}.tar.gz"},
        }
        sagemaker.create_inference_component(InferenceComponentName=names[-1], EndpointName="e", Specification=specification)
        killed(server, after)
        assert settled(server, names[-1])["InferenceComponentStatus"] == "InService"
    body = json.dumps({"prompt": "abc", "max_tokens": 6, "temperature": 0})

    def answers() -> list[str]:
        return [json.loads(said(server, name, body, "application/json"))["choices"][0]["text"] for name in names]

    expected = [merged(adapter(seed), "abc", 6) for seed in range(len(POINTS))]
    assert answers() == expected
    assert started(server, "base") == 1
    server.kill_everything()
    server.start()

    def again() -> bool:
        try:
            return answers() == expected
        except Exception:  # noqa: BLE001 - while the base and its adapters come up the front says so in several ways
            return False

    eventually(again, 120)
    for at, name in enumerate(names):
        sagemaker.delete_inference_component(InferenceComponentName=name)
        if at == 2:
            killed(server, 0.05)
    eventually(lambda: len(sagemaker.list_inference_components()["InferenceComponents"]) == 1, 60)
    (folder,) = server.settings.jobs.glob("inference-component/*/*/base/*/adapters")
    assert not list(folder.iterdir())
