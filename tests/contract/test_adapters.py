"""Adapters of an inference component in a real container of vLLM's image; only S3 is a stand-in. K06; API CreateInferenceComponent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import botocore.exceptions
import pytest
from harness import ROLE
from support.serving import Rig, archive
from support.text_adapters import adapter, merged
from support.text_models import ALPHABET, alphabet, files

from sagewright.compute.capabilities import choose
from sagewright.compute.host import Host
from sagewright.compute.runtime import Runtime
from sagewright.wire.errors import Fault

VLLM = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-vllm:0.11.0-gpu-py312-cu128-ubuntu22.04"
TOKENS = 6
BASE = ALPHABET[3 : 3 + TOKENS]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    run = tmp_path_factory.mktemp("run")
    chosen = choose("auto", Host(run, (run,)))
    yield chosen
    getattr(chosen, "close", lambda: None)()


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, runtime: Runtime) -> Iterator[Rig]:
    """An endpoint with a base component. Every action is done twice."""
    with Rig(tmp_path_factory.mktemp("rig"), runtime, twice=True) as made:
        made.objects.put("s3://bucket/text.tar.gz", archive(dict(files(alphabet()))))
        for seed in (1, 2, 3):
            made.objects.put(f"s3://bucket/a{seed}.tar.gz", archive(adapter(seed)))
        made.objects.put("s3://bucket/wide.tar.gz", archive(adapter(1, rank=32)))
        made.objects.put("s3://bucket/broken.tar.gz", b"no archive")
        switches = {"SM_VLLM_ENABLE_LORA": "true", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "true"}
        made.model("text", VLLM, "s3://bucket/text.tar.gz", **switches)
        host = {"VariantName": "AllTraffic", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        made.sagemaker.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[host], ExecutionRoleArn=ROLE)
        assert made.endpoint()["EndpointStatus"] == "InService"
        base(made, "base")
        yield made


def base(rig: Rig, name: str, **specification: Any) -> None:
    asked = {"ModelName": "text", "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 1024}, **specification}
    rig.sagemaker.create_inference_component(
        InferenceComponentName=name,
        EndpointName="e",
        VariantName="AllTraffic",
        Specification=asked,
        RuntimeConfig={"CopyCount": 1},
    )
    found = settled(rig, name)
    assert found["InferenceComponentStatus"] == "InService", found


def create(rig: Rig, name: str, archived: str, of: str = "base") -> dict[str, Any]:
    specification = {"BaseInferenceComponentName": of, "Container": {"ArtifactUrl": f"s3://bucket/{archived}.tar.gz"}}
    rig.sagemaker.create_inference_component(InferenceComponentName=name, EndpointName="e", Specification=specification)
    return settled(rig, name)


def describe(rig: Rig, name: str) -> dict[str, Any]:
    return dict(rig.sagemaker.describe_inference_component(InferenceComponentName=name))


def settled(rig: Rig, name: str) -> dict[str, Any]:
    found: dict[str, Any] = rig.until(
        lambda: describe(rig, name), lambda seen: seen["InferenceComponentStatus"] in ("InService", "Failed"), 90
    )
    return found


def said(rig: Rig, component: str) -> str:
    body = json.dumps({"prompt": "abc", "max_tokens": TOKENS, "temperature": 0}).encode()
    answer = rig.invoke(body, content_type="application/json", x_amzn_sagemaker_inference_component=component)
    return str(json.loads(answer.body)["choices"][0]["text"])


def expected(seed: int) -> str:
    return merged(adapter(seed), "abc", TOKENS)


def deleted(rig: Rig, *names: str) -> None:
    for name in names:
        rig.sagemaker.delete_inference_component(InferenceComponentName=name)

    def left() -> set[str]:
        return {each["InferenceComponentName"] for each in rig.sagemaker.list_inference_components()["InferenceComponents"]}

    rig.until(left, lambda there: not there & set(names), 60)


def test_adapters_answer_side_by_side_and_the_base_stays_as_it_is(rig: Rig) -> None:
    """Created, described, invoked by their names, updated, refused, deleted; they take no room and survive a restart of control."""
    one, two = create(rig, "one", "a1"), create(rig, "two", "a2")
    for found, url in ((one, "s3://bucket/a1.tar.gz"), (two, "s3://bucket/a2.tar.gz")):
        assert found["InferenceComponentStatus"] == "InService", found
        assert found["Specification"] == {"BaseInferenceComponentName": "base", "Container": {"ArtifactUrl": url}}
        assert "RuntimeConfig" not in found
    answers = {name: said(rig, name) for name in ("base", "one", "two")}
    assert answers == {"base": BASE, "one": expected(1), "two": expected(2)}
    assert len(set(answers.values())) == 3
    with pytest.raises(
        botocore.exceptions.ClientError, match="while it is the base of the adapter inference components one, two"
    ):
        rig.sagemaker.delete_inference_component(InferenceComponentName="base")
    changed = {"BaseInferenceComponentName": "base", "Container": {"ArtifactUrl": "s3://bucket/a3.tar.gz"}}
    rig.sagemaker.update_inference_component(InferenceComponentName="one", Specification=changed)
    assert settled(rig, "one")["InferenceComponentStatus"] == "InService"
    assert said(rig, "one") == expected(3)
    rig.restart()
    assert (said(rig, "base"), said(rig, "one"), said(rig, "two")) == (BASE, expected(3), expected(2))
    deleted(rig, "two")
    with pytest.raises(Fault, match="Inference Component two of endpoint e not found"):
        said(rig, "two")
    assert (said(rig, "base"), said(rig, "one")) == (BASE, expected(3))
    deleted(rig, "one")
    assert not list(rig.jobs.glob("inference-component/*/*/base/*/adapters/*"))


@pytest.mark.slow
def test_a_container_that_is_replaced_gets_its_adapters_again(rig: Rig) -> None:
    assert create(rig, "again", "a1")["InferenceComponentStatus"] == "InService"
    (folder,) = [folder for folder in rig.run_folders() if "/base/" in str(folder)]
    rig.runtime.signal(folder, 9)

    def answer() -> str:
        try:
            return said(rig, "again")
        except Fault as problem:
            return str(problem)

    rig.until(answer, lambda text: text == expected(1), 60)
    assert said(rig, "base") == BASE
    deleted(rig, "again")


@pytest.mark.slow
def test_what_cannot_be_an_adapter(rig: Rig) -> None:
    """At once where the request says so, else as a failure with the container's reason; an update that cannot be changes nothing."""
    fine = create(rig, "fine", "a2")
    assert fine["InferenceComponentStatus"] == "InService"
    for archived, words in (
        ("wide", "LoRA rank 32 is greater than max_lora_rank 16"),
        ("lost", "Failed to download model data"),
        ("broken", "valid tar.gz archive"),
    ):
        assert words in create(rig, archived, archived)["FailureReason"]
        deleted(rig, archived)
    assert "is an adapter itself" in create(rig, "second", "a1", of="fine")["FailureReason"]
    changed = {"BaseInferenceComponentName": "base", "Container": {"ArtifactUrl": "s3://bucket/wide.tar.gz"}}
    rig.sagemaker.update_inference_component(InferenceComponentName="fine", Specification=changed)
    after = settled(rig, "fine")
    assert after["InferenceComponentStatus"] == "InService"
    assert "max_lora_rank" in after["FailureReason"]
    assert said(rig, "fine") == expected(2)
    wrong = {
        "Could not find inference component": {"BaseInferenceComponentName": "none", "Container": {"ArtifactUrl": "s3://b/k"}},
        "an ArtifactUrl must be specified": {"BaseInferenceComponentName": "base"},
        "ModelName cannot be specified": {"BaseInferenceComponentName": "base", "ModelName": "text"},
    }
    for words, specification in wrong.items():
        with pytest.raises(botocore.exceptions.ClientError, match=words) as caught:
            rig.sagemaker.create_inference_component(
                InferenceComponentName="wrong", EndpointName="e", Specification=specification
            )
        assert caught.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(botocore.exceptions.ClientError, match="it has no copies of its own"):
        rig.sagemaker.update_inference_component_runtime_config(
            InferenceComponentName="fine", DesiredRuntimeConfig={"CopyCount": 2}
        )
    deleted(rig, "second")
    deleted(rig, "fine")


@pytest.mark.slow
def test_a_base_that_takes_no_adapters_says_so(rig: Rig) -> None:
    """AWS calls such an adapter InService, and its calls fail; here it fails with what is missing."""
    rig.model("plain", VLLM, "s3://bucket/text.tar.gz")
    base(rig, "plain", ModelName="plain")
    assert "SM_VLLM_ENABLE_LORA=true" in create(rig, "none", "a1", of="plain")["FailureReason"]
    deleted(rig, "none")
    deleted(rig, "plain")
