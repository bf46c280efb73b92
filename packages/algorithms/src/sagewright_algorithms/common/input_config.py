"""The channels of a job against its algorithm's manifest. Standard library only: the server checks them, too."""

from __future__ import annotations

from collections.abc import Mapping

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.manifest import Manifest

Channel = Mapping[str, str]
"""An entry of inputdataconfig.json."""


def check(manifest: Manifest, channels: Mapping[str, Channel]) -> None:
    """Names, distribution and input mode against the manifest. Raises ClientError."""
    missing = [item.name for item in manifest.channels if item.required and item.name not in channels]
    if missing:
        raise ClientError(
            f"Unable to initialize the algorithm. Failed to validate input data configuration: '{missing[0]}' is a required property"
        )
    for name, given in channels.items():
        expected = manifest.channel(name)
        if expected is None:
            raise ClientError(f"Additional channels are not allowed ('{name}' was unexpected)")
        for member, allowed in (("S3DistributionType", expected.distributions), ("TrainingInputMode", expected.input_modes)):
            value = given.get(member, allowed[0])
            if value not in allowed:
                raise ClientError(f"{value!r} is not one of {list(allowed)}: {member} of the channel {name}")
