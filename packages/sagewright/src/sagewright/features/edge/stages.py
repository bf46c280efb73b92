"""An edge deployment plan's status and how it moves: pure functions from one document to the next.

Public members are DescribeEdgeDeploymentPlan's. ``StageDevices`` is our own and never shown: by stage and device
{DeviceDeploymentStatus, DeviceDeploymentStatusMessage?, DeploymentStartTime}. Devices make a stage true: they ask (GetDeployments) and
report (SendHeartbeat); nothing is pushed to them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from sagewright.store.rows import Document

Status = Mapping[str, Any]
Devices = Mapping[str, Mapping[str, Any]]

ROLLBACK = "ROLLBACK_ON_FAILURE"


def created(stages: Iterable[Document]) -> Document:
    """Of a new plan."""
    return added({"Stages": [], "StageDevices": {}}, stages)


def added(status: Status, stages: Iterable[Document]) -> Document:
    """With more stages, none of which has begun. DOC (DeploymentStage): without a DeploymentConfig nothing is rolled back."""
    new = [{"DeploymentConfig": {"FailureHandlingPolicy": "DO_NOTHING"}, **stage} for stage in stages]
    ready = [{**stage, "DeploymentStatus": _status("READYTODEPLOY", {}, None)} for stage in new]
    return _counted({**status, "Stages": [*status["Stages"], *ready]})


def without(status: Status, name: str) -> Document:
    """Without a stage."""
    left = [stage for stage in status["Stages"] if stage["StageName"] != name]
    return _counted({**status, "Stages": left, "StageDevices": {k: v for k, v in status["StageDevices"].items() if k != name}})


def find(status: Status, name: str) -> Document | None:
    """A stage by its name."""
    return next((stage for stage in status["Stages"] if stage["StageName"] == name), None)


def state(stage: Document) -> str:
    """StageStatus."""
    return str(stage["DeploymentStatus"]["StageStatus"])


def deployed_in(status: Status, device: str, but: str = "") -> str:
    """The stage, other than ``but``, in which a device has got the plan's models; or ""."""
    for name, devices in status["StageDevices"].items():
        if name != but and devices.get(device, {}).get("DeviceDeploymentStatus") == "DEPLOYED":
            return str(name)
    return ""


def chosen(status: Status, stage: Document, fleet: Iterable[str]) -> list[str]:
    """The devices of the fleet that a stage is for, in order of names; a percentage is of those that no other stage has served."""
    names, config = sorted(fleet), stage["DeviceSelectionConfig"]
    match config["DeviceSubsetType"]:
        case "SELECTION":
            return [name for name in names if name in set(config["DeviceNames"])]
        case "NAMECONTAINS":
            return [name for name in names if config["DeviceNameContains"] in name]
    share = math.ceil(len(names) * int(config["Percentage"]) / 100)
    return [name for name in names if not deployed_in(status, name, stage["StageName"])][:share]


def started(status: Status, name: str, devices: Iterable[str], now: float) -> Document:
    """The stage is offered to its devices from now on; what an earlier start achieved counts no more."""
    fresh = {device: {"DeviceDeploymentStatus": "INPROGRESS", "DeploymentStartTime": now} for device in devices}
    return _moved(status, name, "INPROGRESS", fresh, now)


def stopped(status: Status, name: str) -> Document:
    """Devices that have not reported yet are not asked any more."""
    devices = {
        device: {**found, "DeviceDeploymentStatus": "STOPPED"} if found["DeviceDeploymentStatus"] == "INPROGRESS" else found
        for device, found in status["StageDevices"][name].items()
    }
    return _moved(status, name, "STOPPED", devices)


def pending(status: Status, device: str) -> list[Document]:
    """The stages that wait for a device."""
    waiting = {
        name
        for name, devices in status["StageDevices"].items()
        if devices.get(device, {}).get("DeviceDeploymentStatus") == "INPROGRESS"
    }
    return [stage for stage in status["Stages"] if stage["StageName"] in waiting]


def reported(status: Status, device: str, failure: str | None) -> Document:
    """A device has said how it went (None: well); a stage is over when all of its devices have."""
    for stage in pending(status, device):
        devices = dict(status["StageDevices"][stage["StageName"]])
        outcome = {"DeviceDeploymentStatus": "DEPLOYED" if failure is None else "FAILED"}
        message = {} if failure is None else {"DeviceDeploymentStatusMessage": failure}
        devices[device] = {**devices[device], **outcome, **message}
        found = {entry["DeviceDeploymentStatus"] for entry in devices.values()}
        over = "FAILED" if "FAILED" in found else "DEPLOYED"
        status = _moved(status, stage["StageName"], "INPROGRESS" if "INPROGRESS" in found else over, devices)
    return dict(status)


def _moved(status: Status, name: str, to: str, devices: Devices, began: float | None = None) -> Document:
    stages = []
    for stage in status["Stages"]:
        if stage["StageName"] == name:
            start = began or stage["DeploymentStatus"].get("EdgeDeploymentStageStartTime")
            stage = {**stage, "DeploymentStatus": _status(to, devices, start)}
        stages.append(stage)
    return _counted({**status, "Stages": stages, "StageDevices": {**status["StageDevices"], name: dict(devices)}})


def _status(to: str, devices: Devices, began: float | None) -> Document:
    found = [device["DeviceDeploymentStatus"] for device in devices.values()]
    return {
        "StageStatus": to,
        "EdgeDeploymentSuccessInStage": found.count("DEPLOYED"),
        "EdgeDeploymentPendingInStage": found.count("INPROGRESS"),
        "EdgeDeploymentFailedInStage": found.count("FAILED"),
        **({"EdgeDeploymentStageStartTime": began} if began is not None else {}),
    }


def _counted(status: Document) -> Document:
    def total(of: str) -> int:
        return sum(int(stage["DeploymentStatus"][f"EdgeDeployment{of}InStage"]) for stage in status["Stages"])

    return {**status, **{f"EdgeDeployment{of}": total(of) for of in ("Success", "Pending", "Failed")}}
