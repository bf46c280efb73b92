"""A world is one account in one region: everything Sagewright keeps belongs to exactly one."""

from __future__ import annotations

from typing import NamedTuple


class World(NamedTuple):
    """Account (12 digits) and region; the first two columns of every key."""

    account: str
    region: str
