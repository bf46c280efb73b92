"""What a processing container finds below /opt/ml/config and in its environment (DG byoc-config). Pure but for ``write``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagewright.base.files import write as write_whole
from sagewright.compute.images import resolve
from sagewright.features.processing.folder import PACKAGES
from sagewright.jobs.instances import cluster, instances
from sagewright.store.rows import Document, Resource

DEFAULT_MAX_RUNTIME = 86400
"""API ProcessingStoppingCondition: one day."""


def files(resource: Resource, host: str) -> dict[str, Document]:
    """The configuration files that an instance finds, by name."""
    hosts = [instance.host for instance in instances(cluster(resource.spec))]
    return {
        "processingjobconfig.json": _job(resource),
        "resourceconfig.json": {"current_host": host, "hosts": hosts},
    }


def write(folder: Path, resource: Resource, host: str) -> None:
    """Writes the files, each by rename. Idempotent."""
    for name, content in files(resource, host).items():
        write_whole(folder / name, json.dumps(content).encode())


def environment(resource: Resource, platform: Mapping[str, str]) -> dict[str, str]:
    """The variables that the runtime adds to its own: ours, the image's and the role's (``platform``), the request's, which win."""
    region = resource.world.region
    given = {name: str(value) for name, value in resource.spec.get("Environment", {}).items()}
    own = resolve(resource.spec["AppSpecification"]["ImageUri"]).kind == "own"
    return {
        "PROCESSING_JOB_NAME": resource.name,
        "PROCESSING_JOB_ARN": resource.arn,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        **platform,
        **given,
        **({} if own else _packages(given)),
    }


def _packages(given: Mapping[str, str]) -> dict[str, str]:
    """Our images' own files cannot be changed: pip installs elsewhere. An image of the user's own has a Python as it likes."""
    target = {"PIP_TARGET": given.get("PIP_TARGET", PACKAGES), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return {**target, "PYTHONPATH": ":".join(filter(None, (given.get("PYTHONPATH"), PACKAGES)))}


def _job(resource: Resource) -> Document:
    """DG byoc-config: the request, and null where it says nothing."""
    spec = resource.spec
    application = spec["AppSpecification"]
    return {
        "ProcessingJobArn": resource.arn,
        "ProcessingJobName": resource.name,
        "AppSpecification": {"ContainerEntrypoint": None, "ContainerArguments": None, **application},
        "Environment": dict(spec.get("Environment", {})),
        "ProcessingInputs": [_input(item) for item in spec.get("ProcessingInputs", ())],
        "ProcessingOutputConfig": {"Outputs": [], "KmsKeyId": None, **spec.get("ProcessingOutputConfig", {})},
        "ProcessingResources": {"ClusterConfig": {"VolumeKmsKeyId": None, **cluster(spec)}},
        "RoleArn": spec["RoleArn"],
        "StoppingCondition": {"MaxRuntimeInSeconds": DEFAULT_MAX_RUNTIME, **spec.get("StoppingCondition", {})},
        **({"NetworkConfig": spec["NetworkConfig"]} if "NetworkConfig" in spec else {}),
    }


def _input(item: Mapping[str, Any]) -> Document:
    if "S3Input" not in item:
        return dict(item)
    defaults = {"S3DataDistributionType": "FullyReplicated", "S3InputMode": "File", "S3CompressionType": "None"}
    return {**item, "S3Input": {**defaults, **item["S3Input"]}}
