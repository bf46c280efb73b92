"""Errors that real clients match on: code and wording, one row per resource.

The rows are what AWS's own Kubernetes controllers, Terraform's provider, both SageMaker SDKs and botocore's waiters test for. A client
that sees another code or wording hangs in a waiter, makes the resource again or gives up. Feature rows A04, K15, M05.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from fidelity.generate import Requests
from harness import IMAGE, ROLE, Harness

RNF, VE, USE = "ResourceNotFound", "ValidationException", "ResourceInUse"

MISSING = [
    ("DescribeModel", VE, "^Could not find model"),
    ("DeleteModel", VE, "^Could not find model"),
    ("DescribeEndpointConfig", VE, "^Could not find endpoint configuration"),
    ("DeleteEndpointConfig", VE, "^Could not find endpoint configuration"),
    ("DescribeEndpoint", VE, "^Could not find endpoint"),
    ("DeleteEndpoint", VE, "^Could not find endpoint"),
    ("DescribeTrainingJob", VE, r"^Requested resource not found\.$"),
    ("DescribeProcessingJob", VE, "^Could not find requested job"),
    ("DescribeTransformJob", VE, "^Could not find requested job with name"),
    ("DescribeHyperParameterTuningJob", RNF, "Requested resource not found"),
    ("DescribeModelPackage", VE, r"does not exist\.$"),
    ("DescribeModelPackageGroup", VE, r"does not exist\.$"),
    ("DeleteModelPackageGroup", VE, r"does not exist\.$"),
    ("GetModelPackageGroupPolicy", VE, "Cannot find Model Package Group|Cannot find resource policy"),
    ("DescribeAlgorithm", VE, "does not exist"),
    ("DescribeProject", VE, "does not exist"),
    ("DescribeNotebookInstance", VE, "RecordNotFound"),
    ("DescribeSpace", RNF, "RecordNotFound"),
    ("DescribeApp", RNF, "RecordNotFound"),
    ("DescribeNotebookInstanceLifecycleConfig", VE, "^Unable to describe Notebook Instance Lifecycle Config"),
    ("DescribeCodeRepository", VE, "Cannot find CodeRepository"),
    ("DescribeWorkforce", VE, "No workforce"),
    ("DescribeWorkteam", VE, "The work team"),
    ("DescribeDevice", VE, "No device with name"),
    ("DescribeDeviceFleet", VE, "No device ?fleet with name"),
    ("DescribeInferenceComponent", VE, "Could not find inference component"),
    ("DescribeDomain", RNF, ""),
    ("DescribeUserProfile", RNF, ""),
    ("DescribeFeatureGroup", RNF, ""),
    ("DescribeMonitoringSchedule", RNF, ""),
    ("DescribeDataQualityJobDefinition", RNF, ""),
    ("DescribeModelQualityJobDefinition", RNF, ""),
    ("DescribeModelBiasJobDefinition", RNF, ""),
    ("DescribeModelExplainabilityJobDefinition", RNF, ""),
    ("DescribeFlowDefinition", RNF, ""),
    ("DescribeHumanTaskUi", RNF, ""),
    ("DescribeStudioLifecycleConfig", RNF, ""),
    ("DescribeImage", RNF, ""),
    ("DescribePipeline", RNF, "does not exist"),
    ("DescribeExperiment", RNF, ""),
    ("DescribeTrial", RNF, ""),
    ("DescribeTrialComponent", RNF, ""),
    ("DescribeHub", RNF, ""),
    ("DescribeHubContent", RNF, ""),
    ("DescribeMlflowTrackingServer", RNF, ""),
    ("DescribeArtifact", RNF, ""),
    ("DescribeAction", RNF, ""),
    ("DescribeContext", RNF, ""),
    ("DescribeModelCard", RNF, ""),
    ("ListImageVersions", RNF, ""),
    ("ListModelCardVersions", RNF, ""),
    ("ListPipelineVersions", RNF, ""),
    ("ListHubContents", RNF, ""),
]

TAKEN = [
    (
        "CreateModel",
        {"ModelName": "x", "PrimaryContainer": {"Image": IMAGE}, "ExecutionRoleArn": ROLE},
        VE,
        "Cannot create already existing model",
    ),
    ("CreateModelPackage", {"ModelPackageName": "x"}, VE, "ModelPackage already exists"),
    ("CreateModelPackageGroup", {"ModelPackageGroupName": "x"}, VE, "already exists"),
    (
        "CreatePipeline",
        {"PipelineName": "x", "PipelineDefinition": '{"Steps": []}', "RoleArn": ROLE},
        VE,
        "already exists",
    ),
    ("CreateExperiment", {"ExperimentName": "x"}, VE, "already exists"),
    ("CreateTrialComponent", {"TrialComponentName": "x"}, VE, "already exists"),
    ("CreateContext", {"ContextName": "x", "ContextType": "t", "Source": {"SourceUri": "s3://b/k"}}, VE, "already exists"),
    ("CreateArtifact", {"ArtifactName": "x", "ArtifactType": "t", "Source": {"SourceUri": "s3://b/k"}}, VE, "already exists"),
    ("CreateImage", {"ImageName": "x", "RoleArn": ROLE}, USE, "already exists"),
    ("CreateHub", {"HubName": "hub-x", "HubDescription": "d"}, USE, "already exists"),
    (
        "CreateModelCard",
        {"ModelCardName": "x", "Content": "{}", "ModelCardStatus": "Draft"},
        "ConflictException",
        "already exists",
    ),
]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with Harness() as harness:
        yield harness.client("sagemaker")


@pytest.mark.parametrize(("operation", "code", "wording"), MISSING, ids=[row[0] for row in MISSING])
def test_missing(client: Any, operation: str, code: str, wording: str) -> None:
    """client_visible_errors, first table: a resource that is not there."""
    request = Requests(seed=3).make(client.meta.service_model.operation_model(operation).input_shape)
    with pytest.raises(ClientError) as error:
        getattr(client, xform_name(operation))(**request)
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    message = error.value.response["Error"]["Message"]
    assert re.search(wording, message), message


@pytest.mark.parametrize(("operation", "request_", "code", "wording"), TAKEN, ids=[row[0] for row in TAKEN])
def test_taken(client: Any, operation: str, request_: dict[str, Any], code: str, wording: str) -> None:
    """client_visible_errors, second table: a name that is taken."""
    create = getattr(client, xform_name(operation))
    create(**request_)
    with pytest.raises(ClientError, match=wording) as error:
        create(**request_)
    assert error.value.response["Error"]["Code"] == code


def test_work_is_refused_until_something_does_it(client: Any) -> None:
    """Nothing here pretends to run: the answer for what is not there yet is never a success."""
    with pytest.raises(ClientError) as error:
        client.start_notebook_instance(NotebookInstanceName="x")
    assert error.value.response["Error"]["Code"] == "UnsupportedOperationException"
    with pytest.raises(ClientError) as error:
        client.create_training_job(
            **Requests().make(client.meta.service_model.operation_model("CreateTrainingJob").input_shape)
        )
    assert error.value.response["Error"]["Code"] == "UnsupportedOperationException"


def test_another_accounts_resource_is_not_there() -> None:
    """Account and region are part of every key: neither name nor ARN reaches across."""
    with Harness() as harness:
        mine = harness.client("sagemaker")
        arn = mine.create_model(ModelName="m", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)["ModelArn"]
        for other in (harness.client("sagemaker", account="999999999999"), harness.client("sagemaker", region="eu-west-1")):
            with pytest.raises(ClientError, match="Could not find model"):
                other.describe_model(ModelName="m")
            with pytest.raises(ClientError, match="Could not find model"):
                other.list_tags(ResourceArn=arn)
            assert other.list_models()["Models"] == []
