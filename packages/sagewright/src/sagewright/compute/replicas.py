"""Clients of serving containers, by the protocol that each speaks."""

from __future__ import annotations

from sagewright.compute.frame_replica import FrameReplica
from sagewright.compute.http_replica import HttpReplica
from sagewright.compute.replica import Address, Replica


def open_replica(address: Address) -> Replica:
    """A client for this address; connects when it is first used."""
    return FrameReplica(address) if address.protocol == "frames" else HttpReplica(address)
