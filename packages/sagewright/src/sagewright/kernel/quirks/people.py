"""Workforces, work teams, review interfaces and edge fleets.

Sources: TF = terraform-provider-aws internal/service/sagemaker; DOC = the operation's page in the SageMaker API reference;
MODEL = botocore's sagemaker 2017-07-24.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sagewright.kernel.kind import Kind, Parent, Reference
from sagewright.kernel.operation import Context
from sagewright.kernel.quirks.wording import in_use, invalid
from sagewright.store.rows import Document


def template_digest(_: Context, spec: Document) -> Document:
    """MODEL: Describe answers UiTemplateInfo, the template's SHA-256 instead of its text."""
    return {"UiTemplate": {"ContentSha256": hashlib.sha256(spec["UiTemplate"]["Content"].encode()).hexdigest()}}


def iot_role_alias(_: Context, spec: Document) -> Document:
    """DOC (CreateDeviceFleet): EnableIotRoleAlias makes an alias SageMakerEdge-<fleet>."""
    return {"IotRoleAlias": f"SageMakerEdge-{spec['DeviceFleetName']}"} if spec.get("EnableIotRoleAlias") else {}


PEOPLE: Mapping[str, Mapping[str, Any]] = {
    # TF: contains "No workforce". MODEL: the answer is wrapped; status lies inside the wrapping.
    # DOC (DeleteWorkforce): ResourceInUse while there are work teams.
    "Workforce": {
        "missing": invalid("No workforce found with name {name}."),
        "exists": invalid("A workforce named {name} already exists."),
        "envelope": "Workforce",
        "status": "Status",
        "initial": "Active",
    },
    # TF: contains "The work team". MODEL: ARN workteam/private-crowd/<name> for a private team.
    "Workteam": {
        "missing": invalid("The work team {arn} does not exist."),
        "exists": in_use("Workteam {arn} already exists."),
        "envelope": "Workteam",
        "slug": "workteam/private-crowd",
        "parent": Parent("Workforce", "WorkforceName", wording=in_use("Workforce {name} has work teams. Delete them first.")),
    },
    "HumanTaskUi": {"fills": (template_digest,)},
    # DOC (CreateFlowDefinition): the worker task template must exist.
    "FlowDefinition": {"references": (Reference("HumanLoopConfig.HumanTaskUiArn", "HumanTaskUi"),)},
    # TF: "No devicefleet with name".
    "DeviceFleet": {"missing": invalid("No devicefleet with name: {name}"), "fills": (iot_role_alias,)},
}

# MODEL: RegisterDevices makes them, many at a time. TF: "No device with name".
DEVICE = Kind(
    name="Device",
    describe="DescribeDevice",
    list="ListDevices",
    identity=("DeviceFleetName", "DeviceName"),
    arn="DeviceArn",
    slug="device-fleet",
    infix="device",
    times=(("RegistrationTime", True),),
    missing=invalid("No device with name: {name}"),
    exists=invalid("Device {name} is already registered."),
    parent=Parent(
        "DeviceFleet", "DeviceFleetName", wording=in_use("Device fleet {name} has registered devices. Deregister them first.")
    ),
)
