"""How many users call an endpoint when. Pure; the load program follows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MINUTE = 60.0
DEFAULT_USERS = (1, 2, 4, 8, 16)
"""Of the stairs of a default job: enough to fill the instances that one machine can stand for."""
DEFAULT_PATTERN: Mapping[str, Any] = {
    "TrafficType": "PHASES",
    "Phases": [{"InitialNumberOfUsers": 1, "SpawnRate": 1, "DurationInSeconds": 120}],
}
"""Of an advanced job that names none (the example of DG inference-recommender-load-test)."""


@dataclass(frozen=True, slots=True)
class Phase:
    """``users`` at its begin, ``spawn`` more of them every minute, for so many ``seconds``."""

    users: int
    spawn: float
    seconds: float

    @property
    def most(self) -> int:
        """Users at its end."""
        return self.users_at(self.seconds)

    def users_at(self, elapsed: float) -> int:
        """Users so many seconds after its begin."""
        return self.users + int(self.spawn * elapsed / MINUTE)


def default(seconds: float) -> tuple[Phase, ...]:
    """Stairs of doubling users that last so long together."""
    return tuple(Phase(users, 0.0, seconds / len(DEFAULT_USERS)) for users in DEFAULT_USERS)


def of(pattern: Mapping[str, Any]) -> tuple[Phase, ...]:
    """From a TrafficPattern (API: Phase, Stairs)."""
    if pattern.get("TrafficType", "PHASES") == "STAIRS":
        stairs = pattern["Stairs"]
        each, seconds = stairs["UsersPerStep"], float(stairs["DurationInSeconds"])
        return tuple(Phase(each * (step + 1), 0.0, seconds) for step in range(stairs["NumberOfSteps"]))
    return tuple(
        Phase(phase["InitialNumberOfUsers"], float(phase["SpawnRate"]), float(phase["DurationInSeconds"]))
        for phase in pattern["Phases"]
    )


def users_at(phases: Sequence[Phase], elapsed: float) -> int:
    """So many seconds after the begin; 0 when everything is over."""
    for phase in phases:
        if elapsed < phase.seconds:
            return phase.users_at(elapsed)
        elapsed -= phase.seconds
    return 0
