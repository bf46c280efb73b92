"""The quirk tables: the only place where SageMaker differs from its model. One line per exception, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.kernel.kind import Kind
from sagewright.kernel.quirks.jobs import JOBS
from sagewright.kernel.quirks.people import DEVICE, PEOPLE
from sagewright.kernel.quirks.registry import ASSOCIATION, HUB_CONTENT, MODEL_CARD_VERSION, PIPELINE_VERSION, REGISTRY
from sagewright.kernel.quirks.serving import SERVING
from sagewright.kernel.quirks.studio import STUDIO

QUIRKS: Mapping[str, Mapping[str, Any]] = {**SERVING, **JOBS, **REGISTRY, **STUDIO, **PEOPLE}

EXTRA: tuple[Kind, ...] = (HUB_CONTENT, ASSOCIATION, DEVICE, MODEL_CARD_VERSION, PIPELINE_VERSION)

RECORDS = frozenset(
    {
        "AIWorkloadConfig",  # a description of a load, used by benchmark jobs
        "Action",
        "Algorithm",  # without a validation specification (rule in registry.py)
        "AppImageConfig",
        "Artifact",
        "Association",
        "CodeRepository",  # AWS clones only when a notebook starts
        "Context",
        "DataQualityJobDefinition",
        "Device",
        "DeviceFleet",
        "Domain",  # with its directories: the engine's hook ``made``
        "EndpointConfig",
        "Experiment",
        "FlowDefinition",
        "Hub",
        "HubContent",
        "HumanTaskUi",
        "Image",
        "ImageVersion",
        "Model",
        "ModelBiasJobDefinition",
        "ModelCard",
        "ModelExplainabilityJobDefinition",
        "ModelPackage",  # without a validation specification
        "ModelPackageGroup",
        "ModelQualityJobDefinition",
        "NotebookInstanceLifecycleConfig",
        "Pipeline",  # the definition; executions are work
        "Space",
        "StudioLifecycleConfig",
        "Trial",
        "TrialComponent",
        "UserProfile",
        "Workforce",
        "Workteam",
    }
)
"""Kinds that are nothing but their description. Every kind that is not listed stands for work and needs a controller."""
