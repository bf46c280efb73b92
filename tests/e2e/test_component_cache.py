"""DataCacheConfig of inference components on a real server (K06; API InferenceComponentDataCacheConfig)."""

from __future__ import annotations

from typing import Any

import pytest
from support.jobs import archive, bucket, wait_for_endpoint
from support.server import ROLE, XGBOOST, Server, eventually
from support.serving import xgboost_model

HOST = {"VariantName": "v", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}


def test_more_copies_without_the_archive(server: Server) -> None:
    """With caching they come up from what the first one fetched; without, the second copy fails for want of the object."""
    store = bucket(server, "component-cache")
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    s3.put_object(Bucket=store, Key="model.tar.gz", Body=archive({"xgboost-model": xgboost_model(3.0)}))
    sagemaker.create_endpoint_config(EndpointConfigName="caching", ProductionVariants=[HOST], ExecutionRoleArn=ROLE)
    sagemaker.create_endpoint(EndpointName="caching", EndpointConfigName="caching")
    assert wait_for_endpoint(sagemaker, "caching")["EndpointStatus"] == "InService"

    def describe(name: str) -> dict[str, Any]:
        return dict(sagemaker.describe_inference_component(InferenceComponentName=name))

    def settled(name: str) -> None:
        eventually(lambda: describe(name)["InferenceComponentStatus"] == "InService", 60, lambda: str(describe(name)))

    for name, caches in (("with-cache", True), ("without-cache", False)):
        sagemaker.create_inference_component(
            InferenceComponentName=name,
            EndpointName="caching",
            VariantName="v",
            Specification={
                "Container": {"Image": XGBOOST, "ArtifactUrl": f"s3://{store}/model.tar.gz"},
                "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 256},
                "DataCacheConfig": {"EnableCaching": caches},
            },
            RuntimeConfig={"CopyCount": 1},
        )
    for name in ("with-cache", "without-cache"):
        settled(name)
    s3.delete_object(Bucket=store, Key="model.tar.gz")
    for name in ("with-cache", "without-cache"):
        sagemaker.update_inference_component_runtime_config(InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": 2})
    settled("with-cache")
    assert describe("with-cache")["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
    assert describe("with-cache")["Specification"]["DataCacheConfig"] == {"EnableCaching": True}
    eventually(lambda: "Failed to download model data" in describe("without-cache").get("FailureReason", ""), 60)
    assert describe("without-cache")["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 1}
    answer = server.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="caching", InferenceComponentName="with-cache", ContentType="text/csv", Body=b"3,1"
    )
    assert float(answer["Body"].read()) == pytest.approx(9.0, abs=0.4)
    for name in ("with-cache", "without-cache"):
        sagemaker.delete_inference_component(InferenceComponentName=name)
    eventually(lambda: not list(server.settings.jobs.glob("inference-component/*/*/with*-cache")), 60)
    sagemaker.delete_endpoint(EndpointName="caching")
