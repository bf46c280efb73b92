"""Deployments of endpoints in real containers, with every action once and twice: feature K10 and what DescribeEndpoint tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from harness import WORLD
from support.rollouts import blue_green, instances, percent, rolling
from support.serving import Rig, archive, variant, xgboost_model

from sagewright.base.clock import SystemClock
from sagewright.compute.capabilities import choose
from sagewright.compute.host import Host
from sagewright.compute.runtime import Runtime
from sagewright.signals import metrics
from sagewright.store.database import Transaction


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    run = tmp_path_factory.mktemp("run")
    chosen = choose("auto", Host(run, (run,)))
    yield chosen
    getattr(chosen, "close", lambda: None)()


once_and_twice = pytest.mark.parametrize("rig", [False, True], indirect=True, ids=["once", "twice"])


@pytest.fixture
def rig(request: pytest.FixtureRequest, tmp_path: Path, runtime: Runtime) -> Iterator[Rig]:
    """An endpoint that predicts its input, and a configuration that predicts three times as much."""
    with Rig(tmp_path, runtime, twice=getattr(request, "param", False)) as made:
        made.objects.put("s3://bucket/tripled.tar.gz", archive({"xgboost-model": xgboost_model(3.0)}))
        made.alarms["high"] = "OK"
        made.model()
        made.model("tripled", url="s3://bucket/tripled.tar.gz")
        made.config("config", variant(count=2))
        made.config("tripled", variant(model="tripled", count=2))
        assert made.endpoint()["EndpointStatus"] == "InService"
        yield made


def tripled(rig: Rig, calls: int = 40) -> int:
    return sum(float(rig.invoke(b"5,1").body) > 10 for _ in range(calls))


def update(rig: Rig, config: dict[str, Any], name: str = "tripled", **more: Any) -> None:
    rig.sagemaker.update_endpoint(EndpointName="e", EndpointConfigName=name, DeploymentConfig=config, **more)


def baking(rig: Rig, share: str = "") -> dict[str, Any]:
    """Waits for a bake."""

    def looks(found: dict[str, Any]) -> bool:
        pending = found.get("PendingDeploymentSummary", {}).get("ProductionVariants", [{}])[0]
        status = pending.get("VariantStatus", [{}])[0]
        return status.get("Status") == "Baking" and share in status.get("StatusMessage", "")

    return dict(rig.until(rig.describe, looks))


@once_and_twice
def test_a_canary_gets_its_share_and_then_everything(rig: Rig) -> None:
    config = blue_green("CANARY", wait=2, CanarySize=percent(20))
    update(rig, config)
    found = baking(rig)
    assert found["EndpointStatus"] == "Updating"
    assert found["EndpointConfigName"] == "config"
    assert found["LastDeploymentConfig"] == config
    assert found["PendingDeploymentSummary"]["EndpointConfigName"] == "tripled"
    assert tripled(rig) == pytest.approx(8, abs=1)
    with pytest.raises(botocore.exceptions.ClientError, match="in-progress"):
        update(rig, config)
    done = rig.settled()
    assert (done["EndpointStatus"], done["EndpointConfigName"]) == ("InService", "tripled")
    assert "PendingDeploymentSummary" not in done
    assert tripled(rig, 10) == 10


@once_and_twice
def test_an_alarm_takes_the_calls_back(rig: Rig) -> None:
    update(rig, blue_green("LINEAR", wait=600, LinearStepSize=instances(1)))
    baking(rig)
    assert tripled(rig) == pytest.approx(20, abs=1)
    rig.alarms["high"] = "ALARM"
    found = rig.until(rig.describe, lambda found: found["EndpointStatus"] == "InService")
    assert found["EndpointConfigName"] == "config"
    assert "high" in found["FailureReason"]
    assert tripled(rig, 10) == 0
    rig.sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="tripled")
    done = rig.settled()
    assert (done["EndpointConfigName"], "FailureReason" in done) == ("tripled", False)


@once_and_twice
def test_batches_replace_one_another(rig: Rig) -> None:
    update(rig, rolling(percent(50), wait=1))
    baking(rig, "partial")
    assert 0 < tripled(rig) < 40
    done = rig.settled()
    assert (done["EndpointStatus"], done["EndpointConfigName"]) == ("InService", "tripled")
    assert done["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert tripled(rig, 10) == 10


@pytest.mark.slow
def test_a_new_control_goes_on_with_a_bake(rig: Rig) -> None:
    update(rig, blue_green("CANARY", wait=1, end=1, CanarySize=percent(50)))
    baking(rig)
    rig.restart()
    done = rig.settled()
    assert (done["EndpointStatus"], done["EndpointConfigName"]) == ("InService", "tripled")


def test_each_fleet_has_metrics_of_its_own(rig: Rig) -> None:
    """DG deployment-guardrails-configuration: dimension EndpointConfigName."""
    update(rig, blue_green("CANARY", wait=600, CanarySize=percent(50)))
    baking(rig)
    tripled(rig, 10)
    now = SystemClock().now()
    body = rig.counters.drain(now)
    assert body is not None
    rig.harness.run(rig.hosting.record_invocations(body))
    everything, old, new = (invocations(rig, now, **more) for more in ({}, fleet("config"), fleet("tripled")))
    assert everything == old + new
    assert new == 5


def fleet(config: str) -> dict[str, str]:
    return {"EndpointConfigName": config}


def invocations(rig: Rig, now: float, **more: str) -> float:
    dimensions = {"EndpointName": "e", "VariantName": "AllTraffic", **more}

    def read(transaction: Transaction) -> list[metrics.Bucket]:
        return metrics.statistics(
            transaction, WORLD, "AWS/SageMaker", "Invocations", dimensions, start=now - 60, end=now + 60, period=120
        )

    return sum(bucket.total for bucket in rig.harness.run(rig.harness.parts.store.read(read)))


def test_what_is_kept_of_the_last_deployment(rig: Rig) -> None:
    """API UpdateEndpoint: RetainDeploymentConfig, RetainAllVariantProperties, ExcludeRetainedVariantProperties."""
    config = blue_green("ALL_AT_ONCE")
    update(rig, config)
    assert rig.settled()["LastDeploymentConfig"] == config
    wish = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 1, "DesiredWeight": 0.5}]
    rig.sagemaker.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=wish)
    rig.settled()
    rig.sagemaker.update_endpoint(
        EndpointName="e",
        EndpointConfigName="config",
        RetainDeploymentConfig=True,
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
    )
    done = rig.settled()
    assert done["LastDeploymentConfig"] == config
    assert done["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert done["ProductionVariants"][0]["CurrentWeight"] == 1.0
    rig.sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="tripled")
    assert "LastDeploymentConfig" not in rig.settled()


def test_what_is_refused(rig: Rig) -> None:
    for config, words in (
        (blue_green("CANARY", CanarySize=percent(60)), "at most 50%"),
        (blue_green("CANARY", CanarySize=instances(2)), "100% of the 2 instance"),
        ({"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "none"}]}}, "Could not find the CloudWatch alarm"),
    ):
        with pytest.raises(botocore.exceptions.ClientError, match=words):
            update(rig, config)
    assert rig.describe()["EndpointStatus"] == "InService"


def test_a_shadow_gets_copies_and_its_metrics_stand_beside(rig: Rig) -> None:
    """K09: ShadowProductionVariants; a copy's answer is dropped, its sampling is its weight."""
    shadow = [variant("Dark", "tripled", InitialVariantWeight=0.5)]
    rig.sagemaker.create_endpoint_config(
        EndpointConfigName="shadowed", ProductionVariants=[variant(count=1)], ShadowProductionVariants=shadow
    )
    rig.sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="shadowed")
    found = rig.settled()
    assert [entry["VariantName"] for entry in found["ShadowProductionVariants"]] == ["Dark"]
    assert tripled(rig, 20) == 0
    rig.harness.run(rig.inference.mirror.idle())
    now = SystemClock().now()
    body = rig.counters.drain(now)
    assert body is not None
    rig.harness.run(rig.hosting.record_invocations(body))
    assert invocations(rig, now) == 20
    assert invocations(rig, now, VariantName="Dark") == 10
    wish = [{"VariantName": "Dark", "DesiredWeight": 0.0}]
    rig.sagemaker.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=wish)
    assert rig.settled()["ShadowProductionVariants"][0]["CurrentWeight"] == 0.0
    tripled(rig, 4)
    rig.harness.run(rig.inference.mirror.idle())
    assert b'"Dark"' not in (rig.counters.drain(now) or b"")
    rig.sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="config")
    assert "ShadowProductionVariants" not in rig.settled()


@pytest.mark.slow
def test_one_shadow_beside_one_variant(rig: Rig) -> None:
    """API CreateEndpointConfig."""
    for variants, shadows in ((["a", "b"], ["s"]), (["a"], ["s", "t"])):
        with pytest.raises(botocore.exceptions.ClientError, match="exactly one production variant and one shadow variant"):
            rig.sagemaker.create_endpoint_config(
                EndpointConfigName="many",
                ProductionVariants=[variant(name) for name in variants],
                ShadowProductionVariants=[variant(name) for name in shadows],
            )
