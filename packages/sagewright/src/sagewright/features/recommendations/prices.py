"""What an instance or a second of serverless memory costs: rough list prices (US dollars, us-east-1), in this file only.

They are for comparing configurations. Change them here; an instance type that is not here has no costs in a recommendation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PER_XLARGE: Mapping[str, float] = {
    "c4": 0.239,
    "c5": 0.204,
    "c5d": 0.23,
    "c6g": 0.163,
    "c6i": 0.204,
    "c6id": 0.242,
    "c7g": 0.174,
    "c7i": 0.214,
    "g4dn": 0.736,
    "g5": 1.408,
    "g6": 1.006,
    "inf1": 0.297,
    "inf2": 0.99,
    "m4": 0.24,
    "m5": 0.23,
    "m5d": 0.271,
    "m6g": 0.185,
    "m6i": 0.23,
    "m7i": 0.242,
    "p3": 1.913,
    "r5": 0.302,
    "r5d": 0.346,
    "r6i": 0.302,
    "r7i": 0.318,
    "t2": 0.223,
    "t3": 0.2,
}
"""An hour of a family's xlarge (of p3 half a 2xlarge); other sizes cost in proportion, as AWS's CPU families do."""
_SIZES: Mapping[str, float] = {"medium": 0.25, "large": 0.5, "xlarge": 1.0}
_TYPE = re.compile(r"ml\.([a-z0-9-]+)\.(\d*)(medium|large|xlarge)")
PER_GB_SECOND = 0.00002
"""Of a serverless endpoint's memory, while it works."""


def per_hour(instance: str) -> float | None:
    """Of an instance type; None when it is not in the table."""
    found = _TYPE.fullmatch(instance)
    if found is None or found[1] not in _PER_XLARGE:
        return None
    return round(_PER_XLARGE[found[1]] * _SIZES[found[3]] * int(found[2] or 1), 4)


def per_inference(hourly: float, a_minute: int) -> float | None:
    """Of an instance that is busy all the time; None when it did nothing."""
    return hourly / 60 / a_minute if a_minute else None


def serverless(megabytes: int, milliseconds: float) -> float:
    """Of one call."""
    return megabytes / 1024 * milliseconds / 1000 * PER_GB_SECOND
