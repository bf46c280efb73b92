"""What a DeploymentConfig may say (API DeploymentConfig and the shapes in it). AWS documents the limits, not the wordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sagewright.features.hosting.policy import Policy
from sagewright.serving.batch import Size
from sagewright.wire.errors import validation


def check_deployment(request: Mapping[str, Any]) -> None:
    """Of CreateEndpoint and UpdateEndpoint, as far as the request alone tells. Raises Fault."""
    config = request.get("DeploymentConfig", {})
    if "BlueGreenUpdatePolicy" in config and "RollingUpdatePolicy" in config:
        raise validation("Only one update policy can be used in the deployment configuration.")
    if "BlueGreenUpdatePolicy" in config:
        _check_blue_green(config["BlueGreenUpdatePolicy"])
    if "RollingUpdatePolicy" in config:
        _check_rolling(config["RollingUpdatePolicy"])


def check_sizes(config: Mapping[str, Any], counts: Mapping[str, int]) -> None:
    """Numbers of instances, which must fit the new variants, given by name. Raises Fault."""
    policy = Policy.of(config)
    least, most = _LIMITS.get(policy.kind, (0, 100))
    for name, count in counts.items():
        if policy.size.percent or not count:
            continue
        part = 100 * policy.size.value / count
        if not least <= part <= most:
            raise validation(
                f"{_SIZES[policy.kind]} of {policy.size.value} instance(s) is {part:.0f}% of the {count} instance(s) of variant "
                f"{name}; it must be {_range(least, most)}."
            )


def check_alarms(config: Mapping[str, Any], states: Mapping[str, str]) -> None:
    """A deployment without its alarms would never be rolled back, so they must exist. Raises Fault."""
    missing = [name for name in Policy.of(config).alarms if name not in states]
    if missing:
        raise validation(f"Could not find the CloudWatch alarm(s) {', '.join(missing)} of AutoRollbackConfiguration.")


_LIMITS = {"CANARY": (0, 50), "LINEAR": (10, 50), "ROLLING": (5, 50)}
_SIZES = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize", "ROLLING": "MaximumBatchSize"}


def _check_blue_green(policy: Mapping[str, Any]) -> None:
    routing = policy["TrafficRoutingConfiguration"]
    kind = routing["Type"]
    for other in ("CANARY", "LINEAR"):
        member = _SIZES[other]
        if (kind == other) != (member in routing):
            words = "is required" if kind == other else "cannot be specified"
            raise validation(f"{member} {words} when the traffic routing type is {kind}.")
    if kind in _SIZES:
        _check_percent(_SIZES[kind], routing[_SIZES[kind]], *_LIMITS[kind])
    waits = (routing["WaitIntervalInSeconds"], policy.get("TerminationWaitInSeconds", 0))
    _check_timeout(policy, waits)


def _check_rolling(policy: Mapping[str, Any]) -> None:
    _check_percent("MaximumBatchSize", policy["MaximumBatchSize"], *_LIMITS["ROLLING"])
    if "RollbackMaximumBatchSize" in policy:
        _check_percent("RollbackMaximumBatchSize", policy["RollbackMaximumBatchSize"], 0, 100)
    _check_timeout(policy, (policy["WaitIntervalInSeconds"],))


def _check_percent(member: str, size: Mapping[str, Any], least: int, most: int) -> None:
    if Size.of(size).percent and not least <= size["Value"] <= most:
        raise validation(f"{member} of {size['Value']}% is not allowed; it must be {_range(least, most)}.")


def _check_timeout(policy: Mapping[str, Any], waits: Sequence[int]) -> None:
    """API BlueGreenUpdatePolicy: the timeout should be larger than the waits together."""
    timeout = policy.get("MaximumExecutionTimeoutInSeconds")
    if timeout is not None and timeout <= sum(waits):
        raise validation(
            f"MaximumExecutionTimeoutInSeconds ({timeout}) must be larger than the total waiting time ({sum(waits)} seconds)."
        )


def _range(least: int, most: int) -> str:
    return f"between {least}% and {most}%" if least else f"at most {most}%"
