"""kill -9 of control while an endpoint is being scaled: what was decided is done, once. Feature row K14."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.load import load, serve_xgboost
from support.server import Server, eventually, running_server

TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/busy/variant/v",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server(scaling_period=1) as started:
        serve_xgboost(started, "busy")
        yield started


@pytest.mark.slow
def test_control_dies_while_it_scales(server: Server) -> None:
    scaling, sagemaker = server.client("application-autoscaling"), server.client("sagemaker")
    scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=2)
    config = {
        "TargetValue": 600.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    }
    scaling.put_scaling_policy(
        PolicyName="out", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=config, **TARGET
    )

    def activities() -> list[str]:
        found = scaling.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"]
        return [activity["StatusCode"] for activity in found]

    def count() -> int:
        (variant,) = sagemaker.describe_endpoint(EndpointName="busy")["ProductionVariants"]
        return int(variant["CurrentInstanceCount"])

    with load(server, "busy") as problems:
        eventually(activities, 60)
        server.kill("control")
        eventually(lambda: activities() == ["Successful"], 60)
        assert count() == 2
    assert problems == []
    assert activities() == ["Successful"]
