"""Warm pools: the instances of a job that has ended are kept for the next one like it (DG train-warm-pools). Pure.

Here that means its places, its GPUs and the persistent cache /opt/ml/sagemaker/warmpoolcache. ``Run.Pool`` names the pool for ever,
``Run.Free`` is when it became available and ``Run.Until`` when it ends unless a job comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.store.rows import Document

Status = Mapping[str, Any]
AVAILABLE, IN_USE, REUSED, TERMINATED = "Available", "InUse", "Reused", "Terminated"
CACHE = "sagemaker/warmpoolcache"
"""Below /opt/ml: what a job leaves there the next one of the pool finds."""


def keep_alive(spec: Mapping[str, Any]) -> int:
    """KeepAlivePeriodInSeconds; 0 keeps nothing."""
    return int(spec["ResourceConfig"].get("KeepAlivePeriodInSeconds") or 0)


def kind_of_instances(spec: Mapping[str, Any]) -> tuple[Any, ...]:
    """What must be the same in two jobs for the second to reuse the instances of the first (DG train-warm-pools, matching)."""
    config, network = spec["ResourceConfig"], spec.get("VpcConfig", {})
    return (
        spec["RoleArn"],
        *(config.get(member) for member in ("InstanceCount", "InstanceType", "VolumeKmsKeyId", "VolumeSizeInGB")),
        *(tuple(sorted(network.get(member, ()))) for member in ("SecurityGroupIds", "Subnets")),
        *(bool(spec.get(member)) for member in ("EnableInterContainerTrafficEncryption", "EnableNetworkIsolation")),
        bool(spec.get("SessionChainingConfig", {}).get("EnableSessionTagChaining")),
    )


def may_reuse(spec: Mapping[str, Any]) -> bool:
    """Neither spot instances nor heterogeneous clusters come out of a pool."""
    return not spec.get("EnableManagedSpotTraining") and not spec["ResourceConfig"].get("InstanceGroups")


def status_of(status: Status) -> str:
    """The pool's status; empty for a job without one."""
    return str(status.get("WarmPoolStatus", {}).get("Status", ""))


def opened(status: Status, pool: str) -> Document:
    """The job runs on instances that will be kept."""
    return {**status, "WarmPoolStatus": {"Status": IN_USE}, "Run": {"Pool": pool, **status.get("Run", {})}}


def taken_over(status: Status, pool: str) -> Document:
    """The job runs on the instances of an earlier one."""
    return {**status, "WarmPoolStatus": {"Status": IN_USE}, "Run": {**status.get("Run", {}), "Pool": pool}}


def freed(status: Status, spec: Mapping[str, Any], now: float) -> Document:
    """The job has ended. Instances that may be broken are not kept, nor those of a job that does not want it."""
    if status_of(status) != IN_USE:
        return dict(status)
    healthy = not str(status.get("FailureReason", "")).startswith("InternalServerError:")
    if not keep_alive(spec) or not healthy:
        return {**status, "WarmPoolStatus": {"Status": TERMINATED, "ResourceRetainedBillableTimeInSeconds": 0}}
    run = {**status["Run"], "Free": now, "Until": now + keep_alive(spec)}
    return {**status, "WarmPoolStatus": {"Status": AVAILABLE}, "Run": run}


def extended(status: Status, seconds: int) -> Document:
    """UpdateTrainingJob: the period counts from when the pool became available; 0 ends it now."""
    return {**status, "Run": {**status["Run"], "Until": status["Run"]["Free"] + seconds}}


def reused(status: Status, job: str, now: float) -> Document:
    """Another job has taken the instances over."""
    return _over(status, {"Status": REUSED, "ReusedByJob": job}, now)


def terminated(status: Status, now: float) -> Document:
    """Nobody has wanted the instances in time."""
    return _over(status, {"Status": TERMINATED}, now)


def _over(status: Status, pool: Mapping[str, Any], now: float) -> Document:
    retained = round(max(0.0, now - status["Run"]["Free"]))
    return {**status, "WarmPoolStatus": {**pool, "ResourceRetainedBillableTimeInSeconds": retained}}
