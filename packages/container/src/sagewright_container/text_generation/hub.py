"""Whether the Hugging Face Hub is reached from here."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from huggingface_hub import constants

_PATIENCE = 5.0  # seconds


def is_reached() -> bool:
    """Asked first: the hub's client tries for half a minute where there is no way out. A proxy may know more than we."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True
    hub = urlsplit(constants.ENDPOINT)
    try:
        socket.create_connection((hub.hostname, hub.port or 443), _PATIENCE).close()
    except OSError:
        return False
    return True
