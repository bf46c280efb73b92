"""The plan of inference experiments, row by row (feature K09; API DescribeInferenceExperiment)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sagewright.base.world import World
from sagewright.features.experiments import configs
from sagewright.features.experiments.plan import plan
from sagewright.features.experiments.settings import Settings
from sagewright.features.experiments.sight import Deploy, Sample, Sight
from sagewright.kernel.controller import Plan
from sagewright.store.rows import Document, Resource

NOW = 1_800_000_000.0
CONFIG: Document = {
    "EndpointConfigName": "config",
    "KmsKeyId": "key",
    "MetricsConfig": {"EnableEnhancedMetrics": True},
    "ProductionVariants": [
        {
            "VariantName": "a",
            "ModelName": "m",
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.large",
            "InitialVariantWeight": 1.0,
            "VolumeSizeInGB": 8,
        }
    ],
}


def described(name: str, model: str, count: int = 1) -> Document:
    real_time = {"InstanceType": "ml.c5.large", "InstanceCount": count}
    infrastructure = {"InfrastructureType": "RealTimeInference", "RealTimeInferenceConfig": real_time}
    return {"ModelName": model, "VariantName": name, "InfrastructureConfig": infrastructure}


def row(state: str, status: Document | None = None, **spec: Any) -> Resource:
    whole = {
        "Name": "test",
        "EndpointName": "e",
        "RoleArn": "arn:aws:iam::123456789012:role/r",
        "ModelVariants": [described("a", "m"), described("s", "n", 2)],
        "ShadowModeConfig": {
            "SourceModelVariantName": "a",
            "ShadowModelVariants": [{"ShadowModelVariantName": "s", "SamplingPercentage": 25}],
        },
        "Schedule": {"StartTime": NOW, "EndTime": NOW + 7200},
        **spec,
    }
    world = World("123456789012", "us-east-1")
    return Resource(world, "InferenceExperiment", "test", state=state, spec=whole, status=status or {}, created=NOW)


def endpoint(config: str, state: str = "InService", **more: Any) -> Document:
    return {"EndpointName": "e", "EndpointConfigName": config, "EndpointStatus": state, **more}


def after(resource: Resource, planned: Plan[Any]) -> Resource:
    return replace(resource, status=planned.status or resource.status, state=planned.state or resource.state)


def shadowed(resource: Resource) -> Document:
    return configs.shadowing(resource, Settings.of(resource), CONFIG)


def test_the_configuration_with_the_shadow() -> None:
    made = shadowed(row("Starting"))
    assert made["KmsKeyId"] == "key"
    assert made["MetricsConfig"] == CONFIG["MetricsConfig"]
    (production,), (shadow,) = made["ProductionVariants"], made["ShadowProductionVariants"]
    assert (production["VolumeSizeInGB"], production["InstanceType"]) == (8, "ml.c5.large")
    assert (shadow["InitialVariantWeight"], shadow["InitialInstanceCount"], shadow["ModelName"]) == (0.25, 2, "n")
    long = replace(row("Starting"), key="x" * 120)
    assert len(shadowed(long)["EndpointConfigName"]) <= 63
    assert shadowed(row("Starting")) == made, "the same name for ever, so that a killed control makes one configuration"


def test_it_waits_for_its_time() -> None:
    resource = row("Creating", Schedule={"StartTime": NOW + 60, "EndTime": NOW + 7200})
    resource = after(resource, plan(resource, Sight(endpoint("config")), NOW))
    assert resource.state == "Created"
    planned = plan(resource, Sight(endpoint("config")), NOW + 1)
    assert (planned.state, planned.due) == (None, NOW + 60)
    assert plan(resource, Sight(endpoint("config")), NOW + 60).state == "Starting"


def test_the_former_state_is_written_down_before_anything_changes() -> None:
    resource = row("Starting")
    found = endpoint("config", ProductionVariants=[{"VariantName": "a", "DesiredInstanceCount": 3, "DesiredWeight": 1.0}])
    planned = plan(resource, Sight(found, CONFIG), NOW)
    assert planned.actions == ()
    resource = after(resource, planned)
    former = resource.status["Former"]
    assert former["EndpointConfigName"] != "config", (
        "it has been scaled since, so the configuration alone does not bring it back"
    )
    assert former["ProductionVariants"][0]["InitialInstanceCount"] == 3
    planned = plan(resource, Sight(found), NOW)
    (deploy,) = planned.actions
    assert isinstance(deploy, Deploy)
    assert deploy.config["ShadowProductionVariants"][0]["VariantName"] == "s"


def test_it_runs_when_the_endpoint_does() -> None:
    resource = row("Starting", {"Former": CONFIG, "Asked": True})
    name = shadowed(resource)["EndpointConfigName"]
    assert plan(resource, Sight(endpoint("config", "Updating")), NOW).state is None
    planned = plan(resource, Sight(endpoint(name)), NOW)
    assert planned.state == "Running"
    assert planned.status is not None
    assert planned.status["Schedule"] == {"StartTime": NOW, "EndTime": NOW + 7200}


def test_a_deployment_that_failed_cancels_it() -> None:
    resource = row("Starting", {"Former": CONFIG, "Asked": True})
    planned = plan(resource, Sight(endpoint("config", FailureReason="no model")), NOW)
    assert planned.state == "Cancelled"
    assert planned.status is not None
    assert planned.status["StatusReason"] == "no model"
    assert planned.due is None


def test_when_its_time_is_over_the_endpoint_returns_to_its_former_state() -> None:
    resource = row("Running", {"Former": CONFIG, "Schedule": {"StartTime": NOW, "EndTime": NOW + 7200}})
    assert plan(resource, Sight(endpoint("x")), NOW + 7199).state is None
    resource = after(resource, plan(resource, Sight(endpoint("x")), NOW + 7200))
    assert resource.state == "Stopping"
    planned = plan(resource, Sight(endpoint("x")), NOW + 7200)
    assert planned.actions == (Deploy("e", CONFIG),)
    resource = after(resource, planned)
    done = after(resource, plan(resource, Sight(endpoint("config")), NOW + 7210))
    assert done.state == "Completed"
    assert done.status["CompletionTime"] == NOW + 7210
    assert [variant["Status"] for variant in done.status["ModelVariants"]] == ["InService", "Deleted"]
    assert plan(done, Sight(), NOW + 8000) == Plan()


@pytest.mark.parametrize("state", ["Running", "Updating"])
def test_an_endpoint_that_is_deleted_cancels_it(state: str) -> None:
    planned = plan(row(state, {"Former": CONFIG}), Sight(), NOW)
    assert planned.state == "Cancelled"
    assert planned.status is not None
    assert "deleted" in planned.status["StatusReason"]


def test_another_share_is_asked_for_until_it_is_there() -> None:
    resource = row("Updating", {"Former": CONFIG})
    shadow = {"VariantName": "s", "CurrentWeight": 0.5}
    found = endpoint("x", ShadowProductionVariants=[shadow])
    assert plan(resource, Sight(found), NOW).actions == (Sample("e", "s", 0.25),)
    assert plan(resource, Sight({**found, "EndpointStatus": "Updating"}), NOW).actions == ()
    there = {**found, "ShadowProductionVariants": [{**shadow, "CurrentWeight": 0.25}]}
    assert plan(resource, Sight(there), NOW).state == "Running"


@pytest.mark.parametrize(
    ("actions", "variants", "shadows"),
    [({"a": "Retain", "s": "Remove"}, ["a"], []), ({"a": "Remove", "s": "Promote"}, ["s"], []), ({"s": "Retain"}, None, None)],
)
def test_what_becomes_of_the_variants(actions: dict[str, str], variants: Any, shadows: Any) -> None:
    resource = row("Stopping", {"Former": CONFIG}, Stop={"ModelVariantActions": actions})
    config = configs.afterwards(resource, Settings.of(resource), CONFIG, resource.spec["Stop"])
    if variants is None:
        assert config is None
        assert plan(resource, Sight(endpoint("x")), NOW).state == "Completed"
        return
    assert config is not None
    assert [variant["VariantName"] for variant in config["ProductionVariants"]] == variants
    assert config.get("ShadowProductionVariants", []) == shadows
    assert config["KmsKeyId"] == "key"


def test_one_that_had_not_begun_leaves_the_endpoint_alone() -> None:
    resource = row("Stopping", Stop={"ModelVariantActions": {"s": "Remove"}, "Reason": "not needed"})
    planned = plan(resource, Sight(endpoint("config")), NOW)
    assert (planned.state, planned.actions) == ("Cancelled", ())
