"""Amazon Resource Names: ``arn:partition:service:region:account:resource``."""

from __future__ import annotations

from typing import NamedTuple

from sagewright.base.world import World


class Arn(NamedTuple):
    """The six parts of an ARN; ``resource`` keeps its own slashes and colons."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"

    @classmethod
    def parse(cls, text: str) -> Arn:
        """Raises ValueError when ``text`` is not an ARN."""
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn":
            raise ValueError(f"not an ARN: {text!r}")
        return cls(*parts[1:])


def sagemaker_arn(world: World, resource: str) -> str:
    """ARN of a SageMaker resource such as ``training-job/name`` (AWS keeps the resource part in lower case)."""
    return f"arn:aws:sagemaker:{world.region}:{world.account}:{resource}"
