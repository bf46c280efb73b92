"""A model's specification, as ``sagemaker.jumpstart.types.JumpStartModelSpecs`` of both SDKs reads it."""

from __future__ import annotations

from typing import Any

from sagewright.jumpstart import instance_types
from sagewright.jumpstart.images import FRAMEWORKS
from sagewright.jumpstart.offers import Offer
from sagewright_algorithms.manifest import Hyperparameter

MINIMUM_SDK = "2.68.1"
_CONTAINERS = (
    {
        "name": "sagemaker_submit_directory",
        "type": "text",
        "default": "/opt/ml/input/data/code/sourcedir.tar.gz",
        "scope": "container",
    },
    {"name": "sagemaker_program", "type": "text", "default": "transfer_learning.py", "scope": "container"},
    {"name": "sagemaker_container_log_level", "type": "text", "default": "20", "scope": "container"},
)
_ISOLATED = True  # our scripts call nobody, and AWS's specifications say so, too


def of(offer: Offer, region: str) -> dict[str, Any]:
    """The document of ``specs_v<version>.json`` in a region's bucket."""
    manifest, model = offer.manifest, offer.model
    return {
        "model_id": model.id,
        "url": model.url or manifest.documentation[0],
        "version": model.version,
        "min_sdk_version": MINIMUM_SDK,
        "training_supported": True,
        "incremental_training_supported": manifest.training.incremental,
        "validation_supported": True,
        "fine_tuning_supported": True,
        "deprecated": False,
        "resource_name_base": model.id,
        "hyperparameters": hyperparameters(offer),
        "metrics": metrics(offer),
        **_training(offer, region),
        **_hosting(offer, region),
    }


def hyperparameters(offer: Offer) -> list[dict[str, Any]]:
    """The algorithm's and the container's (``scope``)."""
    manifest, model = offer.manifest, offer.model
    spelling = {_canonical(offer, name): name for name in (*model.hyperparameters, *model.defaults)}
    listed = [_canonical(offer, name) for name in model.hyperparameters] or [item.name for item in manifest.hyperparameters]
    found = [item for item in manifest.hyperparameters if item.name in listed and item.default is not None]
    return [*(_hyperparameter(item, spelling.get(item.name, item.name), offer) for item in found), *_CONTAINERS]


def metrics(offer: Offer) -> list[dict[str, str]]:
    """MetricDefinitions, which the SDKs send with CreateTrainingJob."""
    wanted = offer.model.metrics
    return [
        {"Name": metric.name, "Regex": metric.regex} for metric in offer.manifest.metrics if not wanted or metric.name in wanted
    ]


def inference_environment() -> list[dict[str, Any]]:
    """What the endpoint's container finds in its environment."""
    return [
        _variable("SAGEMAKER_PROGRAM", "inference.py", True),
        _variable("SAGEMAKER_SUBMIT_DIRECTORY", "/opt/ml/model/code", True),
        _variable("SAGEMAKER_CONTAINER_LOG_LEVEL", "20", False),
        _variable("SAGEMAKER_MODEL_SERVER_TIMEOUT", "3600", False),
        _variable("ENDPOINT_SERVER_TIMEOUT", 3600, True),
        _variable("MODEL_CACHE_ROOT", "/opt/ml/model", True),
        _variable("SAGEMAKER_ENV", "1", True),
        _variable("SAGEMAKER_MODEL_SERVER_WORKERS", 1, True),
    ]


def _training(offer: Offer, region: str) -> dict[str, Any]:
    model, framework = offer.model, FRAMEWORKS[offer.model.image]
    supported = instance_types.supported(model.training_instance_type, offer.manifest.training.gpu)
    found = {
        "training_artifact_key": offer.training_artifact,
        "training_script_key": offer.training_script,
        "training_ecr_specs": framework.specs(),
        "default_training_instance_type": model.training_instance_type,
        "supported_training_instance_types": supported,
        "training_instance_type_variants": instance_types.variants(supported, framework, region, "training"),
        "training_enable_network_isolation": _ISOLATED,
        "training_vulnerable": False,
        "training_dependencies": [],
        "training_vulnerabilities": [],
        "estimator_kwargs": {},
        "fit_kwargs": {},
    }
    return {**found, "default_training_dataset_key": offer.dataset} if offer.dataset else found


def _hosting(offer: Offer, region: str) -> dict[str, Any]:
    model, framework, inference = offer.model, FRAMEWORKS[offer.model.image], offer.manifest.inference
    supported = instance_types.supported(model.inference_instance_type, offer.manifest.training.gpu)
    answers = [f"{kind};verbose" for kind in inference.response_types] + list(inference.response_types)
    return {
        "hosting_artifact_key": offer.inference_artifact,
        "hosting_prepacked_artifact_key": offer.prepacked_artifact,
        "hosting_script_key": offer.inference_script,
        "hosting_use_script_uri": False,
        "hosting_ecr_specs": framework.specs(),
        "default_inference_instance_type": model.inference_instance_type,
        "supported_inference_instance_types": supported,
        "hosting_instance_type_variants": instance_types.variants(supported, framework, region, "inference"),
        "dynamic_container_deployment_supported": False,
        "inference_enable_network_isolation": _ISOLATED,
        "inference_environment_variables": inference_environment(),
        "inference_vulnerable": False,
        "inference_dependencies": [],
        "inference_vulnerabilities": [],
        "model_kwargs": {},
        "deploy_kwargs": {},
        "predictor_specs": {
            "supported_content_types": list(inference.request_types),
            "supported_accept_types": answers,
            "default_content_type": inference.request_types[0],
            "default_accept_type": inference.default_response_type,
        },
    }


def _canonical(offer: Offer, name: str) -> str:
    found = offer.manifest.hyperparameter(name)
    if found is None:
        raise ValueError(f"{offer.model.id}: there is no hyperparameter {name}")
    return found.name


def _hyperparameter(item: Hyperparameter, name: str, offer: Offer) -> dict[str, Any]:
    default = offer.model.defaults.get(name, item.default)
    numeric = item.type in ("int", "float") and not item.choices
    found: dict[str, Any] = {"name": name, "type": item.type if numeric else "text", "default": default, "scope": "algorithm"}
    if not numeric:
        return {**found, "options": list(item.choices)} if item.type == "enum" else found
    found["default"] = int(str(default)) if item.type == "int" else float(str(default))
    if item.min is not None:
        found["exclusive_min" if item.min_exclusive else "min"] = item.min
    if item.max is not None:
        found["exclusive_max" if item.max_exclusive else "max"] = item.max
    return found


def _variable(name: str, default: str | int, always: bool) -> dict[str, Any]:
    kind = "int" if isinstance(default, int) else "text"
    return {"name": name, "type": kind, "default": default, "scope": "container", "required_for_model_class": always}
