"""kill -9 while one fleet follows another: no request fails, the deployment goes on where it was, alarms still take it back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.pressure import Pressure
from support.rollouts import blue_green, deploy, percent
from support.server import Server, eventually, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


def alarm(server: Server) -> Any:
    cloudwatch = server.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="high",
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    return cloudwatch


def stage(described: dict[str, Any]) -> str:
    pending = described.get("PendingDeploymentSummary", {}).get("ProductionVariants", [{}])
    return str(pending[0].get("VariantStatus", [{}])[0].get("Status", ""))


@pytest.mark.slow
def test_control_is_killed_again_and_again(server: Server) -> None:
    sagemaker = deploy(server, "steps")
    alarm(server)
    config = blue_green("LINEAR", wait=1, end=1, LinearStepSize=percent(20))
    with Pressure(server, "steps", b"5,1", clients=2) as pressure:
        sagemaker.update_endpoint(EndpointName="steps", EndpointConfigName="steps-3", DeploymentConfig=config)
        for _ in range(5):
            before, at = server.pid("control"), time.monotonic()
            server.kill("control")
            eventually(lambda before=before, at=at: server.pid("control") != before and time.monotonic() > at + 1)
        eventually(lambda: sagemaker.describe_endpoint(EndpointName="steps")["EndpointStatus"] == "InService", 60)
    assert sagemaker.describe_endpoint(EndpointName="steps")["EndpointConfigName"] == "steps-3"
    assert pressure.failures == []
    assert len(pressure.answers) == 2


@pytest.mark.slow
def test_everything_is_killed_in_a_bake_and_an_alarm_still_takes_it_back(server: Server) -> None:
    sagemaker = deploy(server, "bakes")
    alarm(server)
    config = blue_green("CANARY", wait=3600, CanarySize=percent(50))
    sagemaker.update_endpoint(EndpointName="bakes", EndpointConfigName="bakes-3", DeploymentConfig=config)
    begun = eventually(
        lambda: (found := sagemaker.describe_endpoint(EndpointName="bakes")) and stage(found) == "Baking" and found
    )
    server.kill_everything()
    server.start()
    found = sagemaker.describe_endpoint(EndpointName="bakes")
    assert (found["EndpointStatus"], stage(found)) == ("Updating", "Baking")
    assert found["PendingDeploymentSummary"] == begun["PendingDeploymentSummary"], "the bake goes on, it does not begin again"
    server.client("cloudwatch").set_alarm_state(AlarmName="high", StateValue="ALARM", StateReason="told")
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="bakes")["EndpointStatus"] == "InService")
    done = sagemaker.describe_endpoint(EndpointName="bakes")
    assert done["EndpointConfigName"] == "bakes-1"
    assert "high" in done["FailureReason"]
