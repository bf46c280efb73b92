"""Serverless variants, pure: how many containers run, how one goes to sleep and comes back, what may be asked for.

A serverless variant has as many slots as it ever needed containers at once. The first ``awake`` of them run; the others sleep: no
process, but the model lies prepared on disk, so that waking one is a start and nothing else. How many are needed is what the fronts say
(demand.py): one container takes one request at a time, as on AWS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sagewright.compute.placement import GIB, Machine
from sagewright.compute.runtime import Limits
from sagewright.serving.step import GRACE_SECONDS, NEVER, WAIT_SECONDS, Move, Slot, Step
from sagewright.serving.unit import Seen
from sagewright.store.rows import Document
from sagewright.wire.errors import validation

if TYPE_CHECKING:
    from sagewright.features.hosting.deployment import VariantFleet

STARTUP_SECONDS = 180.0
"""Developer Guide, serverless-endpoints: a container answers pings within three minutes."""
LULL_SECONDS = 2.0
"""Between the change of routes and SIGTERM: a call that is just arriving is still taken."""
DISK_GB = 5
"""Developer Guide, serverless-endpoints: ephemeral disk storage."""
SPREAD_MB = 1024
CHANGEABLE = ("MaxConcurrency", "ProvisionedConcurrency")
"""Of a ServerlessConfig, by UpdateEndpointWeightsAndCapacities."""
_INSTANCES = (
    "InitialInstanceCount",
    "InstanceType",
    "AcceleratorType",
    "VolumeSizeInGB",
    "ManagedInstanceScaling",
    "RoutingConfig",
    "CoreDumpConfig",
    "InferenceAmiVersion",
    "CapacityReservationConfig",
)
_LONGER_WAIT = 1.0
"""Seconds at most until a container that ended is started again: somebody waits for it."""


def provisioned(serverless: Mapping[str, Any]) -> int:
    """Containers that are kept running."""
    return int(serverless.get("ProvisionedConcurrency", 0))


def adjusted(variant: VariantFleet, wish: Mapping[str, Any], wanted: int) -> VariantFleet:
    """With the configuration that is wished for, and ``wanted`` containers awake as far as that allows."""
    config = {**variant.serverless, **wish.get("Serverless", {})}
    return replace(variant, serverless=config, awake=min(max(wanted, provisioned(config)), config["MaxConcurrency"]))


def size(variant: VariantFleet) -> int:
    """How many slots it should have: as many as it ever needed, and what they hold on disk, but no more than it may ever need."""
    return int(min(max(len(variant.slots), variant.awake), variant.serverless["MaxConcurrency"]))


def lull(slot: Slot, seen: Seen, now: float) -> Step:
    """One step of a slot that sleeps or goes to sleep; ``start_at`` then holds when its container is asked to end."""
    match seen.container.state:
        case "missing":
            return Step(replace(slot, served=False, start_at=0.0), due=NEVER)
        case "exited" | "lost":
            return Step(Slot(slot.index, slot.attempt + 1), (Move.DISCARD,), NEVER)
    if slot.served or not slot.start_at:
        return Step(replace(slot, served=False, start_at=now + LULL_SECONDS), due=now + LULL_SECONDS)
    if now < slot.start_at:
        return Step(slot, due=slot.start_at)
    late = now >= slot.start_at + GRACE_SECONDS
    return Step(slot, (Move.KILL if late else Move.ASK,), now + WAIT_SECONDS)


def hurried(taken: Step, now: float) -> Step:
    """The step of a container that is waited for: it is not kept from starting for long, however often it has been started."""
    slot = replace(taken.slot, start_at=min(taken.slot.start_at, now + _LONGER_WAIT))
    return replace(taken, slot=slot, due=min(taken.due, slot.start_at) if slot.start_at > now else taken.due)


def limits(serverless: Mapping[str, Any], machine: Machine) -> Limits:
    """Of one container. AWS gives processors "in proportion" to the memory; here a GB brings one."""
    memory = int(serverless["MemorySizeInMB"]) * GIB // 1024
    cpus = float(min(machine.cpus, max(1, memory // GIB)))
    return Limits(cpus=cpus, memory=min(memory, machine.memory), disk=DISK_GB * GIB)


def route(serverless: Mapping[str, Any]) -> Document:
    """What the front must know, and what metrics.py must."""
    return {
        "max_concurrency": serverless["MaxConcurrency"],
        "memory": serverless["MemorySizeInMB"],
        "provisioned": provisioned(serverless),
    }


def check(config: Mapping[str, Any]) -> None:
    """Refuses an endpoint configuration with a serverless variant that AWS refuses. Raises Fault.

    Developer Guide, serverless-endpoints, "Feature exclusions". AWS's sentences are not published; these are ours.
    """
    variants = [variant for variant in config["ProductionVariants"] if "ServerlessConfig" in variant]
    if not variants:
        return
    if len(config["ProductionVariants"]) > 1:
        raise validation("Serverless endpoints do not support multiple production variants.")
    for member, what in _EXCLUDED.items():
        if config.get(member):
            raise validation(f"Serverless endpoints do not support {what}.")
    for member in _INSTANCES:
        if member in variants[0]:
            raise validation(f"{member} cannot be specified for a production variant with ServerlessConfig.")
    _check_sizes(variants[0]["ServerlessConfig"])


def check_model(model: Mapping[str, Any]) -> str:
    """Why a model cannot be served without a server, or nothing."""
    containers: Iterable[Mapping[str, Any]] = model.get("Containers", [model.get("PrimaryContainer", {})])
    if model.get("VpcConfig"):
        return "Serverless endpoints do not support VPC configuration."
    if model.get("EnableNetworkIsolation"):
        return "Serverless endpoints do not support network isolation."
    if len(list(containers)) > 1:
        return "Serverless endpoints do not support inference pipelines."
    if any(container.get("Mode", "SingleModel") != "SingleModel" for container in containers):
        return "Serverless endpoints do not support multi-model containers."
    return ""


def check_update(variant: VariantFleet, arn: str, asked: Mapping[str, Any], wish: Mapping[str, Any]) -> Document:
    """The wish of UpdateEndpointWeightsAndCapacities for a variant, with its ServerlessUpdateConfig in it. Raises Fault."""
    if not variant.serverless:
        raise validation(f'Variant "{variant.name}" of endpoint "{arn}" is not serverless.')
    if "DesiredInstanceCount" in asked:
        raise validation(f'DesiredInstanceCount cannot be specified for the serverless variant "{variant.name}".')
    changed = {**variant.serverless, **wish.get("Serverless", {}), **asked["ServerlessUpdateConfig"]}
    _check_sizes(changed)
    return {name: changed[name] for name in CHANGEABLE if name in changed}


def check_successor(active: Iterable[VariantFleet], variants: Iterable[Mapping[str, Any]]) -> None:
    """Developer Guide, serverless-endpoints-update: an endpoint with instances cannot become serverless. Raises Fault."""
    if any("ServerlessConfig" in variant for variant in variants) and any(not variant.serverless for variant in active):
        raise validation("Cannot update an endpoint with instances to a serverless endpoint. Create a new endpoint instead.")


def summary(variant: VariantFleet, wish: Mapping[str, Any]) -> Document:
    """What DescribeEndpoint says of the variant."""
    current = dict(variant.serverless)
    return {
        "CurrentInstanceCount": 0,
        "DesiredInstanceCount": 0,
        "CurrentServerlessConfig": current,
        "DesiredServerlessConfig": {**current, **wish.get("Serverless", {})},
    }


def _check_sizes(serverless: Mapping[str, Any]) -> None:
    memory = serverless["MemorySizeInMB"]
    if memory % SPREAD_MB:
        sizes = ", ".join(str(size) for size in range(SPREAD_MB, 6 * SPREAD_MB + 1, SPREAD_MB))
        raise validation(f"MemorySizeInMB {memory} is not supported. Supported values: [{sizes}].")
    if provisioned(serverless) > serverless["MaxConcurrency"]:
        raise validation("ProvisionedConcurrency must be less than or equal to MaxConcurrency.")


_EXCLUDED = {
    "DataCaptureConfig": "data capture",
    "AsyncInferenceConfig": "asynchronous inference",
    "ShadowProductionVariants": "shadow variants",
    "ExplainerConfig": "explainers",
    "VpcConfig": "VPC configuration",
    "EnableNetworkIsolation": "network isolation",
}
