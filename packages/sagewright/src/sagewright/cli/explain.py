"""``explain``: why a job or an endpoint has failed, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from sagewright.cli.client import client, connect
from sagewright.cli.diagnosis import Diagnosis, Evidence, diagnose
from sagewright.cli.options import Data, console, settings_or_exit
from sagewright.cli.work import NAMES, Kind, find_or_exit
from sagewright.settings import Settings

_METRICS = ("MemoryUtilization", "DiskUtilization", "CPUUtilization")
_FAILED = frozenset({"Failed", "OutOfService", "UpdateRollbackFailed"})


def explain(
    name: Annotated[str, typer.Argument(help=f"A {NAMES}.", show_default=False)],
    data: Data = None,
) -> None:
    """Say why a job or an endpoint has failed, with the evidence, and what to do about it."""
    settings = connect(settings_or_exit(data=data))
    sagemaker = client(settings, "sagemaker")
    kind, description = find_or_exit(sagemaker, name)
    status = kind.status(description)
    log = list(kind.log(sagemaker, client(settings, "logs"), name).messages(follow=False))
    evidence = Evidence(status, description, log, _peaks(settings, kind, name, description))
    _print(kind, name, status, diagnose(evidence))


def _print(kind: Kind, name: str, status: str, diagnosis: Diagnosis) -> None:
    console.print(f"[bold]{kind.title} {name}[/]: {status}", highlight=False)
    for what, value in diagnosis.facts:
        console.print(f"  {what}: {value}", markup=False, highlight=False, soft_wrap=True)
    for fix in diagnosis.fixes:
        console.print(f"  => {fix}", markup=False, highlight=False, soft_wrap=True)
    if status in _FAILED and not diagnosis.fixes:
        console.print(f"  => Nothing is known to help; the whole log: sagewright logs {name}", markup=False, highlight=False)


def _peaks(settings: Settings, kind: Kind, name: str, description: Mapping[str, Any]) -> dict[str, float]:
    """The highest value of each metric over all hosts (DG monitoring-cloudwatch); what was not measured is not there."""
    cloudwatch = client(settings, "cloudwatch")
    began = description["CreationTime"] - timedelta(minutes=1)
    found = {}
    for metric in _METRICS:
        values = [
            point["Maximum"]
            for dimensions in _hosts(cloudwatch, kind.group, metric, name)
            for point in cloudwatch.get_metric_statistics(
                Namespace=kind.group,
                MetricName=metric,
                Dimensions=dimensions,
                StartTime=began,
                EndTime=datetime.now(UTC) + timedelta(minutes=1),
                Period=86400,
                Statistics=["Maximum"],
            )["Datapoints"]
        ]
        if values:
            found[metric] = max(values)
    return found


def _hosts(cloudwatch: Any, namespace: str, metric: str, name: str) -> list[list[dict[str, str]]]:
    listed = cloudwatch.list_metrics(Namespace=namespace, MetricName=metric)["Metrics"]
    return [
        found["Dimensions"]
        for found in listed
        if any(dimension["Value"].startswith(f"{name}/") for dimension in found["Dimensions"] if dimension["Name"] == "Host")
    ]
