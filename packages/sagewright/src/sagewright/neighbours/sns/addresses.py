"""Where HTTP notifications may go: this machine's own addresses, unless a setting says anywhere.

A message is sent by the server, so an address is a way to make it call somebody: by default nobody but programs on this machine.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple
from urllib.parse import urlsplit


class Target(NamedTuple):
    """An address taken apart. ``host`` is what the name stands for now; ``authority`` is what goes into Host."""

    host: str
    port: int
    authority: str
    path: str
    tls_name: str


def check(protocol: str, url: str, *, anywhere: bool) -> None:
    """Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme != protocol:
        raise ValueError(f"The endpoint must begin with {protocol}://")
    if not parts.hostname or parts.port == 0 or any(character <= " " for character in url) or not url.isascii():
        raise ValueError("Not an address of a web server")
    if not anywhere and not _is_local(parts.hostname):
        raise ValueError(
            "Sagewright notifies programs on this machine only (http://127.0.0.1:…); the setting sns_endpoints=any allows others"
        )


def resolve(url: str, *, anywhere: bool) -> Target:
    """Blocks while a name is looked up. Raises OSError, also when the name no longer stands for an address that is allowed."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    host = str(found[0][4][0])
    if not anywhere and not ipaddress.ip_address(host).is_loopback:
        raise PermissionError(f"{parts.hostname} is not on this machine")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(host, port, parts.netloc.rpartition("@")[2], path, parts.hostname or "" if secure else "")


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
