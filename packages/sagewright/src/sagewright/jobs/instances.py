"""The instances of a job: how many, of which types, in which groups, and what they are called. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

HOMOGENEOUS = "homogeneousCluster"
"""The group's name in resourceconfig.json where the request names none, as on AWS."""

UNSAID: Mapping[str, Any] = MappingProxyType({"InstanceType": "ml.c5.4xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30})
"""Where the request names no instance, as of compilation jobs: AWS says nothing of the one that compiles."""
LARGE: Mapping[str, Any] = MappingProxyType({"InstanceType": "ml.m5.24xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1024})
"""The same for optimization jobs, which have a language model in hand twice. It runs on processors."""


@dataclass(frozen=True, slots=True)
class JobInstance:
    """``host`` is its name among the others and in the log, ``group`` its InstanceGroup's."""

    host: str
    instance_type: str
    group: str


def cluster(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a job asks of machines: ResourceConfig of a training job, ClusterConfig of a processing job; others do not say."""
    unsaid = LARGE if "OptimizationConfigs" in spec else UNSAID
    found: Mapping[str, Any] = spec.get("ResourceConfig") or spec.get("ProcessingResources", {}).get("ClusterConfig", unsaid)
    return found


def instances(config: Mapping[str, Any]) -> tuple[JobInstance, ...]:
    """Of a ResourceConfig or ClusterConfig, algo-1 first; instance groups one after the other (DG train-heterogeneous-cluster)."""
    found: list[JobInstance] = []
    for group in groups(config):
        for _ in range(group["InstanceCount"]):
            found.append(JobInstance(f"algo-{len(found) + 1}", group["InstanceType"], group["InstanceGroupName"]))
    return tuple(found)


def groups(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """InstanceGroups; an InstanceType with an InstanceCount is one group."""
    given: list[Mapping[str, Any]] = config.get("InstanceGroups") or []
    return given or [{**config, "InstanceGroupName": HOMOGENEOUS}]


def receivers(config: Mapping[str, Any], source: Mapping[str, Any]) -> tuple[JobInstance, ...]:
    """The instances that get the data of an S3DataSource: those of its InstanceGroupNames, or all."""
    named = source.get("InstanceGroupNames")
    return tuple(instance for instance in instances(config) if not named or instance.group in named)
