"""A model as SageMakerPublicHub describes it: the HubContentDocument that both SDKs parse (sagemaker.core.jumpstart.models)."""

from __future__ import annotations

import json
from typing import Any

from sagewright.jumpstart import specification
from sagewright.jumpstart.bucket import bucket_name
from sagewright.jumpstart.images import FRAMEWORKS
from sagewright.jumpstart.instance_types import is_gpu
from sagewright.jumpstart.offers import Offer

SCHEMA_VERSION = "2.3.0"
_NAMES = {"exclusive_min": "Min", "exclusive_max": "Max"}  # the hub's schema knows closed ranges only


def text(offer: Offer, region: str) -> str:
    """The document of a region's hub, as JSON."""
    return json.dumps(_document(offer, region))


def keywords(offer: Offer) -> list[str]:
    """What ``search_public_hub_models`` looks through."""
    return [
        f"@task:{offer.model.task}",
        f"@framework:{offer.model.framework}",
        "@capability:training",
        offer.manifest.algorithm,
    ]


def _document(offer: Offer, region: str) -> dict[str, Any]:
    spec, manifest, model = specification.of(offer, region), offer.manifest, offer.model
    return {
        "Url": spec["url"],
        "MinSdkVersion": spec["min_sdk_version"],
        "ModelTypes": ["OPEN_WEIGHTS"],
        "Capabilities": ["TRAINING", "FINE_TUNING", "VALIDATION"],
        "TrainingSupported": True,
        "IncrementalTrainingSupported": spec["incremental_training_supported"],
        "DynamicContainerDeploymentSupported": False,
        "ResourceNameBase": model.id,
        "GatedBucket": False,
        "Task": model.task,
        "Framework": model.framework,
        "Provider": manifest.title,
        **_training(offer, region, spec),
        **_hosting(offer, region, spec),
    }


def _training(offer: Offer, region: str, spec: dict[str, Any]) -> dict[str, Any]:
    framework = FRAMEWORKS[offer.model.image]
    found = {
        "TrainingArtifactS3DataType": "S3Object",
        "TrainingArtifactCompressionType": "None",
        "TrainingArtifactUri": _uri(region, offer.training_artifact),
        "TrainingScriptUri": _uri(region, offer.training_script),
        "TrainingEcrUri": framework.uri(region, "training", False),
        "TrainingMetrics": spec["metrics"],
        "TrainingDependencies": [],
        "TrainingEnableNetworkIsolation": spec["training_enable_network_isolation"],
        "FineTuningSupported": True,
        "ValidationSupported": True,
        "Hyperparameters": [_capitalised(item) for item in spec["hyperparameters"]],
        "DefaultTrainingInstanceType": spec["default_training_instance_type"],
        "SupportedTrainingInstanceTypes": spec["supported_training_instance_types"],
        "TrainingInstanceTypeVariants": _variants(spec["training_instance_type_variants"], region),
    }
    return {**found, "DefaultTrainingDatasetUri": _uri(region, offer.dataset)} if offer.dataset else found


def _hosting(offer: Offer, region: str, spec: dict[str, Any]) -> dict[str, Any]:
    framework = FRAMEWORKS[offer.model.image]
    return {
        "HostingArtifactS3DataType": "S3Object",
        "HostingArtifactCompressionType": "Gzip",
        "HostingArtifactUri": _uri(region, offer.prepacked_artifact),
        "HostingPrepackedArtifactUri": _uri(region, offer.prepacked_artifact),
        "HostingScriptUri": _uri(region, offer.inference_script),
        "HostingUseScriptUri": False,
        "HostingEcrUri": framework.uri(region, "inference", False),
        "InferenceEnvironmentVariables": [_capitalised(item) for item in spec["inference_environment_variables"]],
        "InferenceDependencies": [],
        "InferenceEnableNetworkIsolation": spec["inference_enable_network_isolation"],
        "DefaultInferenceInstanceType": spec["default_inference_instance_type"],
        "SupportedInferenceInstanceTypes": spec["supported_inference_instance_types"],
        "HostingInstanceTypeVariants": _variants(spec["hosting_instance_type_variants"], region),
        "SageMakerSdkPredictorSpecifications": _capitalised(spec["predictor_specs"]),
    }


def _variants(found: dict[str, Any], region: str) -> dict[str, Any]:
    """With the region's images in place of aliases."""
    images = found["regional_aliases"][region]
    return {
        "Aliases": images,
        "Variants": {
            family: {"Properties": {"ImageUri": images["gpu_image_uri" if is_gpu(family) else "cpu_image_uri"]}}
            for family in found["variants"]
        },
    }


def _capitalised(item: dict[str, Any]) -> dict[str, Any]:
    return {_NAMES.get(name, name.title().replace("_", "")): value for name, value in item.items()}


def _uri(region: str, key: str) -> str:
    return f"s3://{bucket_name(region)}/{key}"
