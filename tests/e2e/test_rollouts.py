"""Updates of an endpoint under load, of every kind: not one request fails (feature K10), and EventBridge hears of their stages."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from support.jobs import wait_for_endpoint
from support.pressure import Pressure
from support.rollouts import deploy, instances, percent
from support.server import Server, eventually

KINDS: dict[str, dict[str, Any]] = {
    "all at once": {},
    "canary": {"Type": "CANARY", "CanarySize": percent(20)},
    "linear": {"Type": "LINEAR", "LinearStepSize": instances(1)},
    "rolling": {"MaximumBatchSize": percent(50)},
}
EVENTS = "SageMaker Endpoint Deployment State Change"


def policy(kind: str, seconds: int) -> dict[str, Any]:
    settings = KINDS[kind]
    if kind == "rolling":
        return {"RollingUpdatePolicy": {**settings, "WaitIntervalInSeconds": seconds}}
    routing = {"Type": "ALL_AT_ONCE", **settings, "WaitIntervalInSeconds": seconds}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": seconds}}


def roll(sagemaker: Any, endpoint: str, factor: int, config: dict[str, Any]) -> None:
    sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=f"{endpoint}-{factor}", DeploymentConfig=config)
    done = wait_for_endpoint(sagemaker, endpoint)
    assert (done["EndpointStatus"], done["EndpointConfigName"]) == ("InService", f"{endpoint}-{factor}"), done


def test_no_request_fails_while_one_fleet_follows_another(server: Server) -> None:
    sagemaker = deploy(server, "rolled")
    hear(server)
    with Pressure(server, "rolled", b"5,1", clients=3) as pressure:
        for turn, kind in enumerate(KINDS):
            roll(sagemaker, "rolled", 1 if turn % 2 else 3, policy(kind, 1))
    assert pressure.failures == []
    assert len(pressure.answers) == 2, "both models have answered, and nothing else"
    stages = [
        (entry["VariantName"], status["Status"], status["StatusMessage"])
        for event in heard(server)
        for entry in event["detail"].get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
        for status in entry["VariantStatus"]
    ]
    assert ("AllTraffic", "ActivatingTraffic", "Activating traffic on canary capacity of 1 instance(s).") in stages
    assert {stage for _, stage, _ in stages} >= {"Creating", "ActivatingTraffic", "Baking"}


def hear(server: Server) -> None:
    events = server.client("events")
    account = server.client("sts").get_caller_identity()["Account"]
    pattern = {"source": ["aws.sagemaker"], "detail-type": [EVENTS], "detail": {"EndpointName": ["rolled"]}}
    events.put_rule(Name="deployments", EventPattern=json.dumps(pattern))
    arn = f"arn:aws:logs:us-east-1:{account}:log-group:/aws/events/deployments"
    events.put_targets(Rule="deployments", Targets=[{"Id": "log", "Arn": arn}])


def heard(server: Server) -> list[dict[str, Any]]:
    page = server.client("logs").get_log_events(
        logGroupName="/aws/events/deployments", logStreamName="deployments", startFromHead=True
    )
    return [json.loads(event["message"]) for event in page["events"]]


@pytest.mark.slow
def test_no_request_fails_until_the_last_old_replica_has_ended(server: Server) -> None:
    """Four rounds of every kind, and then as long as old replicas drain and end."""
    sagemaker = deploy(server, "longer")
    with Pressure(server, "longer", b"5,1", clients=6) as pressure:
        for turn in range(4):
            for kind in KINDS:
                roll(sagemaker, "longer", 1 if turn % 2 else 3, policy(kind, 2))
        at = time.monotonic()
        eventually(lambda: time.monotonic() > at + 70, 80)
    assert pressure.failures == []
    assert pressure.asked > 20_000
