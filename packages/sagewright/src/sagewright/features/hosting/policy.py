"""How a new fleet takes over: DeploymentConfig of CreateEndpoint and UpdateEndpoint as a value (API DeploymentConfig).

Shares of traffic are exact: CAPACITY_PERCENT 10 is every tenth call, however many instances the fleet has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sagewright.serving.batch import WHOLE, Size


@dataclass(frozen=True, slots=True)
class Policy:
    """``size``: canary, linear step or batch. ``wait`` and ``last_wait``: how long to bake after a step, and after the last one.

    ``timeout``: for the whole deployment; infinite where none is given, because every part of it ends by itself.
    ``back``: the batch of a rolling deployment's rollback. Times are in seconds.
    """

    kind: Literal["ALL_AT_ONCE", "CANARY", "LINEAR", "ROLLING"] = "ALL_AT_ONCE"
    size: Size = WHOLE
    wait: float = 0.0
    last_wait: float = 0.0
    timeout: float = math.inf
    alarms: tuple[str, ...] = ()
    back: Size = WHOLE

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Policy:
        """From a DeploymentConfig; an empty one is all at once without a bake (API DeploymentConfig)."""
        alarms = tuple(alarm["AlarmName"] for alarm in config.get("AutoRollbackConfiguration", {}).get("Alarms", ()))
        if "RollingUpdatePolicy" in config:
            return _rolling(config["RollingUpdatePolicy"], alarms)
        return _blue_green(config.get("BlueGreenUpdatePolicy", {}), alarms)

    def share(self, count: int, step: int) -> float:
        """The part of the calls of a variant with ``count`` new instances that the new fleet gets after ``step`` steps."""
        if not step:
            return 0.0
        match self.kind:
            case "ALL_AT_ONCE":
                return 1.0
            case "CANARY":
                return self.size.share(count) if step == 1 else 1.0
            case "LINEAR":
                return self.size.share(count, step)
        return min(1.0, step * self.size.instances(count) / max(count, 1))

    def steps(self, counts: Sequence[int]) -> int:
        """Steps until every variant, given by its number of new instances, gets all of its calls from the new fleet."""
        step = 1
        while any(self.share(count, step) < 1.0 for count in counts):
            step += 1
        return step

    def bake(self, *, last: bool) -> float:
        """Seconds to wait after a step."""
        return self.last_wait if last else self.wait


def _blue_green(policy: Mapping[str, Any], alarms: tuple[str, ...]) -> Policy:
    """DG deployment-guardrails-blue-green: with all traffic on the new fleet the last bake is TerminationWaitInSeconds."""
    routing = policy.get("TrafficRoutingConfiguration", {})
    kind, wait = routing.get("Type", "ALL_AT_ONCE"), float(routing.get("WaitIntervalInSeconds", 0))
    end = float(policy.get("TerminationWaitInSeconds", 0))
    timeout = float(policy.get("MaximumExecutionTimeoutInSeconds", math.inf))
    if kind == "CANARY":
        return Policy("CANARY", Size.of(routing["CanarySize"]), wait, end, timeout, alarms)
    if kind == "LINEAR":
        return Policy("LINEAR", Size.of(routing["LinearStepSize"]), wait, end, timeout, alarms)
    # There is no step to wait between here: both waits are one bake with all traffic on the new fleet.
    return Policy("ALL_AT_ONCE", WHOLE, 0.0, wait + end, timeout, alarms)


def _rolling(policy: Mapping[str, Any], alarms: tuple[str, ...]) -> Policy:
    wait = float(policy["WaitIntervalInSeconds"])
    timeout = float(policy.get("MaximumExecutionTimeoutInSeconds", math.inf))
    back = Size.of(policy["RollbackMaximumBatchSize"]) if "RollbackMaximumBatchSize" in policy else WHOLE
    return Policy("ROLLING", Size.of(policy["MaximumBatchSize"]), wait, wait, timeout, alarms, back)
