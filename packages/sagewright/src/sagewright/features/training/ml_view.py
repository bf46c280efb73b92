"""What a training container finds below /opt/ml/input/config and in its environment (DG your-algorithms-training-algo-running-container).

Pure: from the job's document to file contents and variables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagewright.base.files import write as write_whole
from sagewright.store.rows import Document, Resource

HOST = "algo-1"
SOURCE_ARCHIVE = "sourcedir.tar.gz"
"""In /opt/ml/input/config: the user's code, brought here so that a container without network can unpack it."""


def files(document: Mapping[str, Any]) -> dict[str, Document]:
    """The configuration files, by name."""
    found: dict[str, Document] = {
        "hyperparameters.json": {name: str(value) for name, value in document.get("HyperParameters", {}).items()},
        "inputdataconfig.json": {
            channel["ChannelName"]: _channel(document, channel) for channel in document.get("InputDataConfig", ())
        },
        "resourceconfig.json": _resources(document["ResourceConfig"]),
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


def write(folder: Path, document: Mapping[str, Any]) -> None:
    """Writes the files, each by rename. Idempotent."""
    for name, content in files(document).items():
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
        "TrainingInputMode": channel.get("InputMode", document["AlgorithmSpecification"]["TrainingInputMode"]),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    return {"ContentType": channel["ContentType"], **shown} if channel.get("ContentType") else shown


def _resources(config: Mapping[str, Any]) -> Document:
    group = {"instance_group_name": "homogeneousCluster", "instance_type": config["InstanceType"], "hosts": [HOST]}
    return {
        "current_host": HOST,
        "current_instance_type": config["InstanceType"],
        "current_group_name": group["instance_group_name"],
        "hosts": [HOST],
        "instance_groups": [group],
        "network_interface_name": "lo",
    }
