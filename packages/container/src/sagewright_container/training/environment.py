"""The environment of a training script: what /opt/ml/input/config says, as values and as SM_* variables.

Names and contents follow the published training toolkit (ENVIRONMENT_VARIABLES.md of aws/sagemaker-training-toolkit).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sagewright_container.layout import Layout
from sagewright_container.training import values

MASTER_PORT = 7777
"""Where the processes of a distributed job meet on its first host, as on AWS."""

_DEFAULT_LOG_LEVEL = 20


@dataclass(frozen=True)
class TrainingEnvironment:
    """``program`` is None when no script was named: the image's own algorithm runs then."""

    layout: Layout
    hyperparameters: Mapping[str, Any]
    platform: Mapping[str, Any]
    resources: Mapping[str, Any]
    channels: Mapping[str, Mapping[str, Any]]
    program: str | None
    source: str

    @property
    def arguments(self) -> list[str]:
        """The program's command line."""
        return values.arguments(self.hyperparameters)

    @property
    def module(self) -> str:
        """The program without ``.py``."""
        return (self.program or "").removesuffix(".py")

    def variables(self) -> dict[str, str]:
        """Every SM_* variable, all as text."""
        document = self._document()
        result = {name: values.variable(value) for name, value in self._named(document).items()}
        result["SM_TRAINING_ENV"] = values.variable(document)
        for channel in self.channels:
            result[f"SM_CHANNEL_{channel.upper()}"] = str(self.layout.channel(channel))
        for name, value in self.hyperparameters.items():
            result[f"SM_HP_{name.upper()}"] = values.variable(value)
        return result

    def platform_variables(self) -> dict[str, str]:
        """What AWS's toolkit sets besides, without SM_."""
        region = self.platform.get("sagemaker_region") or os.environ.get("AWS_REGION")
        return {
            "CURRENT_HOST": self.cluster()["current_host"],
            "SAGEMAKER_JOB_NAME": values.variable(self.platform.get("sagemaker_job_name")),
            "SAGEMAKER_REGION": values.variable(region),
        }

    def cluster(self) -> dict[str, Any]:
        """Hosts and instance groups: hosts, current_host, master_hostname, …; the first of those that work together is the master."""
        resources = self.resources
        hosts = list(resources.get("hosts") or ["algo-1"])
        current = str(resources.get("current_host") or hosts[0])
        groups = {group["instance_group_name"]: group for group in resources.get("instance_groups") or []}
        group = str(resources.get("current_group_name") or "homogeneousCluster")
        distributed = self.platform.get("sagemaker_distribution_instance_groups") or []
        together = sorted(host for name in distributed for host in groups.get(name, {}).get("hosts", ())) or sorted(hosts)
        return {
            "hosts": hosts,
            "current_host": current,
            "master_hostname": together[0],
            "is_master": current == together[0],
            "network_interface_name": resources.get("network_interface_name") or "eth0",
            "current_instance_type": resources.get("current_instance_type") or "local",
            "current_instance_group": group,
            "current_instance_group_hosts": list(groups.get(group, {}).get("hosts", hosts)),
            "instance_groups": sorted(groups),
            "instance_groups_dict": groups,
            "distribution_instance_groups": distributed,
            "distribution_hosts": together,
            "is_hetero": len(groups) > 1,
            "resource_config": dict(resources),
        }

    def gpus(self) -> int:
        """Those that the container was given: the listed ones, else what device nodes there are."""
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is not None:
            return len([device for device in visible.split(",") if device.strip() and device.strip() != "-1"])
        return len([path for path in Path("/dev").glob("nvidia[0-9]*") if path.name[6:].isdigit()])

    def _named(self, document: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "SM_HOSTS": document["hosts"],
            "SM_CURRENT_HOST": document["current_host"],
            "SM_HOST_COUNT": len(document["hosts"]),
            "SM_CURRENT_HOST_RANK": sorted(document["hosts"]).index(document["current_host"]),
            "SM_MASTER_ADDR": document["master_hostname"],
            "SM_MASTER_PORT": MASTER_PORT,
            "SM_CURRENT_INSTANCE_TYPE": document["current_instance_type"],
            "SM_CURRENT_INSTANCE_GROUP": document["current_instance_group"],
            "SM_CURRENT_INSTANCE_GROUP_HOSTS": document["current_instance_group_hosts"],
            "SM_INSTANCE_GROUPS": document["instance_groups"],
            "SM_INSTANCE_GROUPS_DICT": document["instance_groups_dict"],
            "SM_DISTRIBUTION_INSTANCE_GROUPS": document["distribution_instance_groups"],
            "SM_DISTRIBUTION_HOSTS": document["distribution_hosts"],
            "SM_IS_HETERO": document["is_hetero"],
            "SM_NETWORK_INTERFACE_NAME": document["network_interface_name"],
            "SM_HPS": document["hyperparameters"],
            "SM_USER_ARGS": self.arguments,
            "SM_USER_ENTRY_POINT": self.program or "",
            "SM_MODULE_NAME": document["module_name"],
            "SM_MODULE_DIR": document["module_dir"],
            "SM_FRAMEWORK_MODULE": document["framework_module"],
            "SM_FRAMEWORK_PARAMS": document["additional_framework_parameters"],
            "SM_LOG_LEVEL": document["log_level"],
            "SM_NUM_CPUS": document["num_cpus"],
            "SM_NUM_GPUS": document["num_gpus"],
            "SM_NUM_NEURONS": document["num_neurons"],
            "SM_MODEL_DIR": document["model_dir"],
            "SM_OUTPUT_DIR": document["output_dir"],
            "SM_OUTPUT_DATA_DIR": document["output_data_dir"],
            "SM_OUTPUT_INTERMEDIATE_DIR": document["output_intermediate_dir"],
            "SM_INPUT_DIR": document["input_dir"],
            "SM_INPUT_CONFIG_DIR": document["input_config_dir"],
            "SM_INPUT_DATA_CONFIG": document["input_data_config"],
            "SM_RESOURCE_CONFIG": document["resource_config"],
            "SM_CHANNELS": sorted(self.channels),
        }

    def _document(self) -> dict[str, Any]:
        """The value of SM_TRAINING_ENV, which the toolkit also prints."""
        layout = self.layout
        document = {
            "additional_framework_parameters": values.additional(self.platform),
            "channel_input_dirs": {name: str(layout.channel(name)) for name in sorted(self.channels)},
            "framework_module": os.environ.get("SAGEMAKER_TRAINING_MODULE"),
            "hyperparameters": dict(self.hyperparameters),
            "input_config_dir": str(layout.config),
            "input_data_config": dict(self.channels),
            "input_dir": str(layout.input),
            "job_name": os.environ.get("TRAINING_JOB_NAME") or self.platform.get("sagemaker_job_name"),
            "log_level": int(self.platform.get("sagemaker_container_log_level") or _DEFAULT_LOG_LEVEL),
            "model_dir": str(layout.model),
            "module_dir": self.source or str(layout.code),
            "module_name": self.module,
            "num_cpus": len(os.sched_getaffinity(0)),
            "num_gpus": self.gpus(),
            "num_neurons": 0,
            "output_data_dir": str(layout.output_data),
            "output_dir": str(layout.output),
            "output_intermediate_dir": str(layout.output / "intermediate"),
            "user_entry_point": self.program or "",
        }
        return {**document, **self.cluster()}


def read(layout: Layout) -> TrainingEnvironment:
    """From the files of a job and the process's environment. Raises ValueError when a file is not a JSON object."""
    hyperparameters = values.decode(_object(layout.config / "hyperparameters.json"))
    program = os.environ.get("SAGEMAKER_PROGRAM") or hyperparameters.get("sagemaker_program")
    source = hyperparameters.get("sagemaker_submit_directory") or os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY")
    return TrainingEnvironment(
        layout,
        values.for_user(hyperparameters),
        values.for_platform(hyperparameters),
        _object(layout.config / "resourceconfig.json"),
        _object(layout.config / "inputdataconfig.json"),
        str(PurePosixPath(str(program))) if program else None,
        str(source or ""),
    )


def _object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise ValueError(f"{path} is not a JSON object")
    return document
