"""Whether a job's hyperparameters and channels are what its manifest allows: said before any data is moved.

Standard library only: the server asks. The words are those of the algorithm's own container, which checks again.
"""

from __future__ import annotations

from collections.abc import Mapping

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.input_config import Channel, check
from sagewright_algorithms.manifest import load

_SPEAKS_FOR_ITSELF = frozenset(("xgboost",))
"""Its container's reasons name the line of code that found the mistake."""


def refusal(algorithm: str, hyperparameters: Mapping[str, str], channels: Mapping[str, Channel]) -> str:
    """A FailureReason, or "". ``channels`` as in inputdataconfig.json. Raises KeyError for an unknown algorithm."""
    manifest = load(algorithm)
    if manifest.environment in _SPEAKS_FOR_ITSELF:
        return ""
    try:
        Hyperparameters(manifest, hyperparameters)
        check(manifest, channels)
    except ClientError as error:
        return f"ClientError: {error}"
    return ""
