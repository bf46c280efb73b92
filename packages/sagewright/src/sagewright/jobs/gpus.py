"""The GPUs of a job: how many each instance gets on this machine, and what is said where that is less than on AWS. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.compute.placement import Machine, gpu_shares, notice, size
from sagewright.compute.slots import Need
from sagewright.jobs.instances import cluster, instances


def need(spec: Mapping[str, Any]) -> Need:
    """What a job asks of the machine: a place for each instance, and as many GPUs as its type has on AWS."""
    found = [size(instance.instance_type).gpus for instance in instances(cluster(spec))]
    return Need(len(found), tuple(found) if any(found) else (), bool(spec.get("EnableManagedSpotTraining")))


def notices(spec: Mapping[str, Any], machine: Machine) -> dict[str, str]:
    """What the user should know about the instances of a job, by host; nothing for most."""
    found = instances(cluster(spec))
    shares = gpu_shares([instance.instance_type for instance in found], machine)
    texts = {instance.host: notice(instance.instance_type, share) for instance, share in zip(found, shares, strict=True)}
    return {host: text for host, text in texts.items() if text}
