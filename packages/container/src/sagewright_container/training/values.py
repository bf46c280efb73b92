"""Hyperparameters as Python values, environment variables and command-line arguments (rules of AWS's training toolkit).

On the wire they are strings. SDK v2 sends JSON in them (``"\\"train.py\\""``, ``"5"``, ``"true"``), SDK v3 and boto3 send plain
text; what is not JSON is the text itself, so both arrive alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_KNOWN = (
    "sagemaker_program",
    "sagemaker_submit_directory",
    "sagemaker_container_log_level",
    "sagemaker_job_name",
    "sagemaker_region",
    "sagemaker_enable_cloudwatch_metrics",
    "sagemaker_s3_output",
    "_tuning_objective_metric",
)
_PREFIX = "sagemaker_"


def decode(given: Mapping[str, Any]) -> dict[str, Any]:
    """Every value from its JSON, or as it is."""
    return {name: _decode(value) for name, value in given.items()}


def for_user(decoded: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is meant for the platform."""
    return {name: value for name, value in decoded.items() if not _is_of_the_platform(name)}


def for_platform(decoded: Mapping[str, Any]) -> dict[str, Any]:
    """Only what is meant for the platform."""
    return {name: value for name, value in decoded.items() if _is_of_the_platform(name)}


def additional(platform: Mapping[str, Any]) -> dict[str, Any]:
    """Those for the platform that only some frameworks know (``sagemaker_parameter_server_enabled``, …)."""
    return {name: value for name, value in platform.items() if name not in _KNOWN}


def arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """``--name value`` in order of the names, ``-n value`` for a name of one letter."""
    result: list[str] = []
    for name, value in sorted(hyperparameters.items()):
        result += [f"--{name}" if len(name) > 1 else f"-{name}", "" if value is None else str(value)]
    return result


def variable(value: Any) -> str:
    """The text of an environment variable: a string as it is, None empty, everything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _is_of_the_platform(name: str) -> bool:
    return name in _KNOWN or name.startswith(_PREFIX)


def _decode(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
