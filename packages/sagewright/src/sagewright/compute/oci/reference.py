"""Which image of one's own a URI names: a repository of this server's ECR, by AWS's address of it or by this machine's."""

from __future__ import annotations

import re
from typing import NamedTuple

from sagewright.base.world import World

_NAME = r"(?:[a-z0-9]+(?:[._-]+[a-z0-9]+)*/)*[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
NAME = re.compile(_NAME)
"""The name of a repository (ECR API, repositoryName); it is safe as a path."""
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

_ECR = r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+"
_HERE = r"(?:localhost|\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\])(?::\d+)?"
_URI = re.compile(rf"(?:{_ECR}|{_HERE})/(?P<name>{_NAME})(?::(?P<tag>{TAG.pattern}))?(?:@(?P<digest>{DIGEST.pattern}))?")


class Reference(NamedTuple):
    """``digest`` wins over ``tag``; an empty one of both stands for the tag latest. ``world``: None is the caller's."""

    world: World | None
    repository: str
    tag: str
    digest: str

    def of(self, caller: World) -> World:
        """Whose repository it is when ``caller`` names it."""
        return self.world or caller


def parse(uri: str) -> Reference | None:
    """None for an image that lies elsewhere."""
    match = _URI.fullmatch(uri)
    if match is None:
        return None
    world = World(match["account"], match["region"]) if match["account"] else None
    tag = match["tag"] or ("" if match["digest"] else "latest")
    return Reference(world, match["name"], tag, match["digest"] or "")
