"""No member of a request of the inference plane is ignored unseen (docs/limits.md: refused in words, except where it says kept)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import botocore.loaders
import botocore.model
import pytest
from harness import ROLE, Harness

from sagewright.app.parts import check_model
from sagewright.features.components.components import Components
from sagewright.features.hosting.hosting import Hosting
from sagewright.serving.members import MEMBERS

LIMITS = (Path(__file__).parents[2] / "docs" / "limits.md").read_text()
OPERATIONS = {
    "sagemaker": (
        "CreateModel",
        "CreateEndpointConfig",
        "CreateEndpoint",
        "UpdateEndpoint",
        "UpdateEndpointWeightsAndCapacities",
        "CreateInferenceComponent",
        "CreateTransformJob",
        "CreateInferenceExperiment",
        "CreateInferenceRecommendationsJob",
        "CreateCompilationJob",
        "CreateOptimizationJob",
        "CreateEdgePackagingJob",
        "CreateDeviceFleet",
    ),
    "sagemaker-runtime": ("InvokeEndpoint", "InvokeEndpointAsync", "InvokeEndpointWithResponseStream"),
}
CALLED = {
    "KmsKey": "KMS keys",
    "KmsKeyId": "KMS keys",
    "VolumeKmsKeyId": "KMS keys",
    "RoleArn": "roles",
    "EnableIotRoleAlias": "IoT things",
    "MaxWaitTimeInSeconds": "waiting times",
    "MaxPendingTimeInSeconds": "waiting times",
}
"""What docs/limits.md calls some members."""
MODEL = {"ModelName": "m", "ExecutionRoleArn": ROLE}
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
VARIANT = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}


def structures(shape: botocore.model.Shape, seen: set[str]) -> Iterator[botocore.model.StructureShape]:
    """A structure and those below its members, as far as these have an effect."""
    while shape.type_name == "list":
        shape = shape.member  # type: ignore[attr-defined]
    if not isinstance(shape, botocore.model.StructureShape) or shape.name in seen:
        return
    seen.add(shape.name)
    yield shape
    effective = MEMBERS[shape.name].effective.split() if shape.name in MEMBERS else ()
    for name, member in shape.members.items():
        if name in effective:
            yield from structures(member, seen)


@pytest.mark.parametrize(
    ("service", "operation"), [(service, each) for service, listed in OPERATIONS.items() for each in listed]
)
def test_what_becomes_of_every_member_is_known(service: str, operation: str) -> None:
    """Fails when the model brings a member of which the table does not say whether it is effective, refused or kept."""
    model = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"))
    wanted = model.operation_model(operation).input_shape
    assert wanted is not None
    for shape in structures(wanted, set()):
        assert shape.name in MEMBERS, f"{shape.name} is in no list"
        listed = " ".join(MEMBERS[shape.name]).split()
        assert sorted(listed) == sorted(shape.members), f"{shape.name}: the table and the model differ"


@pytest.mark.parametrize("member", sorted({name for each in MEMBERS.values() for name in each.kept.split()}))
def test_what_is_kept_without_effect_is_documented(member: str) -> None:
    assert CALLED.get(member, f"`{member}`") in LIMITS


REFUSED_OF_VARIANTS: dict[str, Any] = {
    "InstancePools": [{"InstanceType": "ml.m5.large", "Priority": 1}],
    "AcceleratorType": "ml.eia2.medium",
    "CoreDumpConfig": {"DestinationS3Uri": "s3://bucket/dumps"},
    "EnableSSMAccess": True,
    "CapacityReservationConfig": {"CapacityReservationPreference": "capacity-reservations-only"},
    "AcceleratorPartitionLayouts": [{"AcceleratorPartitionTypes": ["mig-1g.5gb"]}],
    "RoutingConfig": {"RoutingStrategy": "PREFIX_AWARE"},
    "ManagedInstanceScaling": {"Status": "ENABLED", "ScaleInPolicy": {"Strategy": "IDLE_RELEASE"}},
}
REFUSED_OF_CONFIGS: dict[str, Any] = {
    "CrossRegionTrafficConfig": {"MaxInvocationsPerSecondPerInstance": 10, "MaxCrossRegionPercentPerEndpoint": 10},
    "ExplainerConfig": {"ClarifyExplainerConfig": {"ShapConfig": {"ShapBaselineConfig": {"ShapBaseline": "1,2"}}}},
    "MetricsConfig": {"EnableDetailedObservability": True},
}
SOURCE = {"S3Uri": "s3://bucket/model/", "S3DataType": "S3Prefix", "CompressionType": "None"}
REFUSED_OF_MODELS: dict[str, Any] = {
    "InferenceSpecificationName": "other",
    "ContainerMetricsConfig": {"MetricsEndpoints": [{"MetricsEndpointPath": "/metrics"}]},
    "ManifestS3Uri": {"S3DataSource": {**SOURCE, "ManifestS3Uri": "s3://bucket/manifest.csv"}},
    "ETag": {"S3DataSource": {**SOURCE, "ETag": "abc"}},
    "ManifestEtag": {"S3DataSource": {**SOURCE, "ManifestEtag": "abc"}},
}


@pytest.fixture(scope="module")
def sagemaker() -> Iterator[Any]:
    rules = {**Hosting.rules, **Components.rules, "CreateModel": (check_model,)}
    with Harness(rules=rules) as harness:
        client = harness.client("sagemaker")
        client.create_model(**MODEL, PrimaryContainer={"Image": IMAGE})
        yield client


@pytest.mark.parametrize("kind", ["ProductionVariants", "ShadowProductionVariants"])
@pytest.mark.parametrize("member", REFUSED_OF_VARIANTS)
def test_what_a_variant_cannot_have_is_refused(sagemaker: Any, kind: str, member: str) -> None:
    variant = {**VARIANT, member: REFUSED_OF_VARIANTS[member]}
    request = {"ProductionVariants": [{**VARIANT, "VariantName": "first"}], kind: [variant]}
    with pytest.raises(botocore.exceptions.ClientError, match=rf"Sagewright does not support .*{member}.* yet") as refused:
        sagemaker.create_endpoint_config(EndpointConfigName="c", **request)
    assert refused.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("member", REFUSED_OF_CONFIGS)
def test_what_a_configuration_cannot_have_is_refused(sagemaker: Any, member: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match=rf"Sagewright does not support .*{member}.* yet"):
        sagemaker.create_endpoint_config(
            EndpointConfigName="c", ProductionVariants=[VARIANT], **{member: REFUSED_OF_CONFIGS[member]}
        )


@pytest.mark.parametrize("member", REFUSED_OF_MODELS)
def test_what_a_model_cannot_have_is_refused(sagemaker: Any, member: str) -> None:
    given = REFUSED_OF_MODELS[member]
    more = {"ModelDataSource": given} if isinstance(given, dict) and "S3DataSource" in given else {member: given}
    with pytest.raises(botocore.exceptions.ClientError, match=rf"Sagewright does not support .*{member} yet"):
        sagemaker.create_model(ModelName="n", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE, **more})
    with pytest.raises(botocore.exceptions.ClientError, match=rf"Sagewright does not support Containers.*{member} yet"):
        sagemaker.create_model(ModelName="n", ExecutionRoleArn=ROLE, Containers=[{"Image": IMAGE, **more}])


def test_what_turns_something_off_is_taken(sagemaker: Any) -> None:
    sagemaker.create_endpoint_config(
        EndpointConfigName="off",
        ProductionVariants=[{**VARIANT, "EnableSSMAccess": False}],
        MetricsConfig={"EnableDetailedObservability": False},
    )
    found = sagemaker.describe_endpoint_config(EndpointConfigName="off")
    assert found["MetricsConfig"] == {"EnableDetailedObservability": False}
    assert found["ProductionVariants"][0]["EnableSSMAccess"] is False
