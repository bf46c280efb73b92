"""What a component's specification would start now, and for how many copies there is room; or why it cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any, NamedTuple

from sagewright.features.components.copies import Crew
from sagewright.serving import room
from sagewright.serving.definition import Definition, Undeployable, composed, holds_many, model_container, not_yet
from sagewright.serving.hosts import Hosts, hosts
from sagewright.serving.room import MIB, Need, claim_of, need_of, places, takes_room
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource

KIND = "InferenceComponent"
MOST = 1000
"""Components of one account that are looked at for what they take of an endpoint's instances."""


class View(NamedTuple):
    """``wanted`` is None while the endpoint has no instances; ``room`` counts copies, ``instances`` those of the variant (None: not
    known)."""

    wanted: Crew | None = None
    room: int = 0
    instances: int | None = None


def view(transaction: Transaction, component: Resource) -> View:
    """Of one component now. Raises Undeployable."""
    spec = component.spec
    endpoint = transaction.resources.get(component.world, "Endpoint", spec["EndpointName"])
    if endpoint is None:
        raise Undeployable(f'Could not find endpoint "{spec["EndpointName"]}".')
    found = hosts(endpoint, spec.get("VariantName", ""))
    if found is None:
        if endpoint.status.get("Deployment", {}).get("Active"):
            raise Undeployable(_no_host(spec))
        return View()
    _check(need_of(spec, found.instance_type), found)
    crew = Crew(spec.get("Generation", 1), _definition(transaction, component, found))
    return View(crew, _room(transaction, component, found), found.count)


def metrics_config(transaction: Transaction, component: Resource) -> Document:
    """The MetricsConfig that is in force on the component's endpoint; empty where there is none."""
    endpoint = transaction.resources.get(component.world, "Endpoint", component.spec["EndpointName"])
    found: Document = endpoint.status.get("MetricsConfig", {}) if endpoint is not None else {}
    return found


def _no_host(spec: Mapping[str, Any]) -> str:
    named = f'Variant "{spec["VariantName"]}"' if spec.get("VariantName") else "No variant"
    return (
        f'{named} of endpoint "{spec["EndpointName"]}" can host inference components: its configuration must not name a model.'
    )


def _check(need: Need, found: Hosts) -> None:
    whole = found.size
    if need.cpus > whole.cpus or need.memory > whole.memory or need.gpus > whole.gpus:
        raise Undeployable(
            f"The compute resource requirements of one copy exceed what an instance of type {found.instance_type} has: {whole.cpus} "
            f"vCPUs, {whole.memory // MIB} MiB of memory, {whole.gpus} accelerators."
        )


def _definition(transaction: Transaction, component: Resource, found: Hosts) -> Document:
    specification = _for(component.spec, found)
    defined = Definition({}, found.role, found.isolated)
    if "ModelName" in specification:
        defined = model_container(transaction, component, specification["ModelName"])
        if holds_many(defined.container):
            raise Undeployable(not_yet("a multi-model container as an inference component"))
    said = specification.get("Container", {})
    container = composed([{**defined.container, **_as_model_has_it(said)}]) if said else defined.container
    startup = specification.get("StartupParameters", {})
    asked = specification.get("ComputeResourceRequirements", {})
    need = need_of(component.spec, found.instance_type)
    return {
        "Container": container,
        "Specification": specification,
        "Role": defined.role or found.role,
        "Isolated": defined.isolated or found.isolated,
        "Variant": found.variant,
        "InstanceType": found.instance_type,
        "Cpus": need.cpus,
        "Accelerators": ceil(need.gpus),
        "Memory": int(asked.get("MaxMemoryRequiredInMb", 0)) * MIB,
        "StartupTimeout": startup.get("ContainerStartupHealthCheckTimeoutInSeconds", 240),
        "DownloadTimeout": startup.get("ModelDataDownloadTimeoutInSeconds", 3600),
    }


def _for(spec: Mapping[str, Any], found: Hosts) -> Mapping[str, Any]:
    """The specification for the instances that there are. Raises Undeployable."""
    specification = room.specification(spec, found.instance_type)
    if specification.get("InstanceType", found.instance_type) != found.instance_type or not specification:
        raise Undeployable(
            f"The inference component has no specification for the instance type {found.instance_type} of variant {found.variant}."
        )
    return specification


def _as_model_has_it(said: Mapping[str, Any]) -> Document:
    """An InferenceComponentContainerSpecification as a ContainerDefinition."""
    if "Image" not in said:
        return {name: said[name] for name in ("Environment",) if name in said} | _data(said)
    return {"Image": said["Image"], "Environment": dict(said.get("Environment", {})), **_data(said)}


def _data(said: Mapping[str, Any]) -> Document:
    return {"ModelDataUrl": said["ArtifactUrl"]} if "ArtifactUrl" in said else {}


def _room(transaction: Transaction, component: Resource, found: Hosts) -> int:
    rows = transaction.resources.query(component.world, KIND, order="created", descending=False, limit=MOST)
    near = [row for row in rows if takes_room(row) and _is_neighbour(row, component, found)]
    return places(found.size, found.count, [claim_of(row, found.instance_type) for row in near]).get(component.key, 0)


def _is_neighbour(row: Resource, component: Resource, found: Hosts) -> bool:
    if row.spec["EndpointName"] != component.spec["EndpointName"] or row.state in ("Failed", "Deleting"):
        return row.key == component.key
    return str(row.spec.get("VariantName", found.variant)) == found.variant
