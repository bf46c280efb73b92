"""What the drive over all kinds needs: a harness with the things that others refer to, and how each kind is made and found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name
from fidelity.generate import Requests
from harness import IMAGE, ROLE, WORLD, Harness

from sagewright.kernel.kind import Kind

DEFINITION = '{"Version": "2020-12-01", "Steps": []}'

FIXED: dict[str, Any] = {
    "ModelName": "prepared-model",
    "ExperimentName": "prepared-experiment",
    "WorkforceName": "prepared-workforce",
    "ImageName": "prepared-image",
    "HubName": "prepared-hub",
    "ModelPackageGroupName": "prepared-group",
    "DeviceFleetName": "prepared-fleet",
    "HumanTaskUiArn": "arn:aws:sagemaker:us-east-1:394669845002:human-task-ui/Bounds",
    "Content": "{}",
    "PipelineDefinition": DEFINITION,
    "RoleArn": ROLE,
    "ExecutionRoleArn": ROLE,
}
"""Members whose value must name something that is there, or be a document of its own."""

OWN_NAMES = {
    "Experiment": "ExperimentName",
    "Image": "ImageName",
    "Hub": "HubName",
    "Model": "ModelName",
    "Workforce": "WorkforceName",
    "ModelPackageGroup": "ModelPackageGroupName",
    "DeviceFleet": "DeviceFleetName",
}
"""Kinds whose own name must not be the prepared one."""

LEFT_OUT = {
    "Model": ("Containers", "ModelPackageName"),  # only one of PrimaryContainer and Containers; no package is prepared
    "ModelPackage": ("ModelPackageName", "ValidationSpecification"),  # only one of group and name; validation is work
    "Algorithm": ("ValidationSpecification",),  # validation is work
    "App": ("SpaceName",),  # the owner is a user profile or a space
    "Pipeline": ("PipelineDefinitionS3Location",),  # only one of text and location
    "EndpointConfig": ("ShadowProductionVariants",),  # generated with the name of the production variant
}


@dataclass
class Drive:
    """boto3 on a harness with prepared neighbours; ``wanted`` collects what a request said."""

    harness: Harness
    requests: Requests = field(default_factory=lambda: Requests(fixed=FIXED))

    def __post_init__(self) -> None:
        self.client = self.harness.client("sagemaker")
        self.model = self.client.meta.service_model
        self._prepare()

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """By botocore's operation name; the answer without its metadata."""
        answer: dict[str, Any] = getattr(self.client, xform_name(operation))(**request)
        answer.pop("ResponseMetadata")
        return answer

    def request(self, kind: Kind, operation: str, full: bool = False) -> dict[str, Any]:
        """A generated request, with what the kind cannot bear left out."""
        made = _without(
            self.requests.make(self.model.operation_model(operation).input_shape, full), LEFT_OUT.get(kind.name, ())
        )
        own = OWN_NAMES.get(kind.name)
        if own and own in made:
            made[own] = f"driven-{kind.slug}"
        made.pop("ClientToken", None)  # a new one each time, by botocore
        made.pop("ClientRequestToken", None)
        if operation == "CreateModelPackage":
            made["ModelPackageGroupName"] = "prepared-group"
        if operation == "CreatePipeline":
            made["PipelineDefinition"] = DEFINITION
        if "DomainId" in made:
            made["DomainId"] = self.domain
        return made

    def identity(self, kind: Kind, sent: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        """What Describe needs to find what was made."""
        required = self.model.operation_model(kind.describe).input_shape.required_members
        known = {**answer, **sent}
        if kind.name == "ModelPackage":
            return {"ModelPackageName": answer["ModelPackageArn"]}
        if kind.name == "App":  # found by its owner too, which the model cannot require
            return {member: known[member] for member in kind.identity if member in known}
        return {member: known[member] for member in required}

    def _prepare(self) -> None:
        call = self.call
        call("CreateModel", ModelName="prepared-model", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)
        call("CreateExperiment", ExperimentName="prepared-experiment")
        call("CreateImage", ImageName="prepared-image", RoleArn=ROLE)
        call("CreateHub", HubName="prepared-hub", HubDescription="x")
        call("CreateWorkforce", WorkforceName="prepared-workforce", SourceIpConfig={"Cidrs": ["10.0.0.0/8"]})
        call("CreateModelPackageGroup", ModelPackageGroupName="prepared-group")
        call("CreateDeviceFleet", DeviceFleetName="prepared-fleet", OutputConfig={"S3OutputLocation": "s3://bucket/fleet"})
        self.domain = call(
            "CreateDomain", DomainName="prepared", AuthMode="IAM", DefaultUserSettings={}, SubnetIds=["subnet-1"]
        )["DomainId"]


def _without(value: Any, names: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {name: _without(item, names) for name, item in value.items() if name not in names}
    if isinstance(value, list):
        return [_without(item, names) for item in value]
    return value


def differences(sent: Any, found: Any, path: str = "") -> list[str]:
    """Where ``found`` lacks or changes what was sent; it may hold more."""
    if isinstance(sent, dict) and isinstance(found, dict):
        missing = [f"{path}.{name} is missing" for name in sent if name not in found]
        return missing + [
            line for name in sent if name in found for line in differences(sent[name], found[name], f"{path}.{name}")
        ]
    if isinstance(sent, list) and isinstance(found, list) and len(sent) == len(found):
        return [line for left, right in zip(sent, found, strict=True) for line in differences(left, right, f"{path}[]")]
    return [] if sent == found else [f"{path}: sent {sent!r}, found {found!r}"]


Call = Callable[..., dict[str, Any]]
ACCOUNT = WORLD.account
