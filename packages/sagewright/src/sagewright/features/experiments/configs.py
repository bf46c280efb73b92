"""The endpoint configurations of an experiment, made from the one that the endpoint had before. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sagewright.features.experiments.settings import Settings
from sagewright.store.rows import Document, Resource

KEPT = ("DataCaptureConfig", "MetricsConfig", "KmsKeyId", "VpcConfig", "ExecutionRoleArn", "EnableNetworkIsolation")
"""Members of a configuration that hold for the endpoint whatever its variants are."""


def name(experiment: Resource, purpose: str) -> str:
    """Of a configuration that the experiment makes: always the same, within the 63 characters that a name may have."""
    digest = hashlib.sha256(f"{experiment.arn}/{experiment.created}/{purpose}".encode()).hexdigest()[:8]
    return f"{experiment.key[:40].rstrip('-')}-{purpose}-{digest}"


def former(experiment: Resource, endpoint: Document | None, config: Document) -> Document:
    """What the endpoint has now: its configuration, with the weights and instances that were changed since; empty without one."""
    if endpoint is None:
        return {}
    now: dict[str, Document] = {variant["VariantName"]: variant for variant in endpoint.get("ProductionVariants", ())}
    variants = [_as_now(variant, now.get(variant["VariantName"], {})) for variant in config["ProductionVariants"]]
    same = variants == config["ProductionVariants"]
    config_name = config["EndpointConfigName"] if same else name(experiment, "former")
    return {**config, "EndpointConfigName": config_name, "ProductionVariants": variants}


def shadowing(experiment: Resource, settings: Settings, before: Document) -> Document:
    """The production variant as it was, with the experiment's model and instances, and the shadow variant beside it."""
    storage = experiment.spec.get("DataStorageConfig")
    return {
        **_kept(before, experiment),
        **({"DataCaptureConfig": _capture(storage)} if storage else {}),
        "EndpointConfigName": name(experiment, "shadow"),
        "ProductionVariants": [_variant(settings.variants[settings.source], before, weight=1.0)],
        "ShadowProductionVariants": [_variant(settings.variants[settings.shadow], {}, weight=settings.sampling)],
    }


def afterwards(experiment: Resource, settings: Settings, before: Document, stop: Mapping[str, Any]) -> Document | None:
    """What the endpoint gets when the experiment is over; None: it stays as it is.

    ``stop``: the request of StopInferenceExperiment, or nothing when its time was over: then the endpoint returns to its former
    state (DG shadow-tests-create).
    """
    actions = stop.get("ModelVariantActions", {})
    desired = {variant["VariantName"]: variant for variant in stop.get("DesiredModelVariants", ())}
    if actions.get(settings.shadow) == "Promote":
        return _alone(experiment, before, desired.get(settings.shadow, settings.variants[settings.shadow]), "promoted")
    if actions.get(settings.shadow) == "Retain":
        return None
    if before and settings.source not in desired:
        return before
    return _alone(experiment, before, desired.get(settings.source, settings.variants[settings.source]), "retained")


def _alone(experiment: Resource, before: Document, asked: Document, purpose: str) -> Document:
    variant = _variant(asked, before, weight=1.0)
    return {**_kept(before, experiment), "EndpointConfigName": name(experiment, purpose), "ProductionVariants": [variant]}


def _variant(asked: Document, before: Document, weight: float) -> Document:
    """A ProductionVariant from a ModelVariantConfig, over the one of that name that was there before."""
    infrastructure = asked["InfrastructureConfig"]["RealTimeInferenceConfig"]
    variants = before.get("ProductionVariants", ())
    same: Document = next((variant for variant in variants if variant["VariantName"] == asked["VariantName"]), {})
    return {
        **same,
        "VariantName": asked["VariantName"],
        "ModelName": asked["ModelName"],
        "InstanceType": infrastructure["InstanceType"],
        "InitialInstanceCount": infrastructure["InstanceCount"],
        "InitialVariantWeight": weight,
    }


def _as_now(variant: Document, found: Document) -> Document:
    changed = {"InitialInstanceCount": "DesiredInstanceCount", "InitialVariantWeight": "DesiredWeight"}
    return {**variant, **{member: found[told] for member, told in changed.items() if told in found and member in variant}}


def _kept(before: Document, experiment: Resource) -> Document:
    kept = {member: before[member] for member in KEPT if member in before}
    if "KmsKey" in experiment.spec:
        kept["KmsKeyId"] = experiment.spec["KmsKey"]
    return kept


def _capture(storage: Mapping[str, Any]) -> Document:
    """What both variants are asked and answer, all of it (API InferenceExperimentDataStorageConfig)."""
    config: Document = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": storage["Destination"],
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    }
    if "KmsKey" in storage:
        config["KmsKeyId"] = storage["KmsKey"]
    if "ContentType" in storage:
        config["CaptureContentTypeHeader"] = storage["ContentType"]
    return config
