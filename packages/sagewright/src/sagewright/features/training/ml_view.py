"""What a training container finds below /opt/ml/input/config and in its environment (DG your-algorithms-training-algo-running-container).

Pure: from the job's document to file contents and variables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagewright.base.files import write as write_whole
from sagewright.features.training import channels
from sagewright.jobs.instances import JobInstance, groups, instances, receivers
from sagewright.store.rows import Document, Resource

LOOPBACK, ETHERNET = "lo", "eth0"
"""The interface at which an instance is known to the others: that of one alone is of no use to anybody."""
SOURCE_ARCHIVE = "sourcedir.tar.gz"
"""In /opt/ml/input/config: the user's code, brought here so that a container without network can unpack it."""


def files(document: Mapping[str, Any], instance: JobInstance) -> dict[str, Document]:
    """The configuration files that an instance finds, by name."""
    found: dict[str, Document] = {
        "hyperparameters.json": {name: str(value) for name, value in document.get("HyperParameters", {}).items()},
        "inputdataconfig.json": {
            channel["ChannelName"]: _channel(document, channel)
            for channel in document.get("InputDataConfig", ())
            if instance in receivers(document["ResourceConfig"], channel["DataSource"].get("S3DataSource", {}))
        },
        "resourceconfig.json": _resources(document["ResourceConfig"], instance),
    }
    for member, name in (
        ("CheckpointConfig", "checkpointconfig.json"),
        ("DebugHookConfig", "debughookconfig.json"),
        ("TensorBoardOutputConfig", "tensorboardoutputconfig.json"),
        ("ProfilerConfig", "profilerconfig.json"),
    ):
        if member in document:
            found[name] = document[member]
    return found


def write(folder: Path, document: Mapping[str, Any], instance: JobInstance) -> None:
    """Writes the files, each by rename. Idempotent."""
    for name, content in files(document, instance).items():
        write_whole(folder / name, json.dumps(content).encode())


def environment(resource: Resource, document: Mapping[str, Any], platform: Mapping[str, str]) -> dict[str, str]:
    """The variables that the runtime adds to its own: ours, the image's and the role's (``platform``), the request's, which win."""
    region = resource.world.region
    return {
        "TRAINING_JOB_NAME": resource.name,
        "TRAINING_JOB_ARN": resource.arn,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        **platform,
        **{name: str(value) for name, value in document.get("Environment", {}).items()},
    }


def source_uri(document: Mapping[str, Any]) -> str:
    """The S3 URI of the code a script-mode job names, or empty. SDK v2 sends the value as JSON text, SDK v3 plainly."""
    value = str(document.get("HyperParameters", {}).get("sagemaker_submit_directory", ""))
    value = value or str(document.get("Environment", {}).get("SAGEMAKER_SUBMIT_DIRECTORY", ""))
    value = value.strip().strip('"')
    return value if value.startswith("s3://") else ""


def _channel(document: Mapping[str, Any], channel: Mapping[str, Any]) -> Document:
    source = channel["DataSource"].get("S3DataSource", {})
    shown = {
        "TrainingInputMode": channels.mode(document, channel),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    return {"ContentType": channel["ContentType"], **shown} if channel.get("ContentType") else shown


def _resources(config: Mapping[str, Any], current: JobInstance) -> Document:
    """DG your-algorithms-training-algo-running-container: hosts are sorted as text; DG train-heterogeneous-cluster: groups."""
    found = instances(config)
    return {
        "current_host": current.host,
        "current_instance_type": current.instance_type,
        "current_group_name": current.group,
        "hosts": sorted(instance.host for instance in found),
        "instance_groups": [
            {
                "instance_group_name": group["InstanceGroupName"],
                "instance_type": group["InstanceType"],
                "hosts": sorted(instance.host for instance in found if instance.group == group["InstanceGroupName"]),
            }
            for group in groups(config)
        ],
        "network_interface_name": ETHERNET if len(found) > 1 else LOOPBACK,
    }
