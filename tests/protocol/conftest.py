from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from protocol.connection import Server

from sagewright.base.clock import SystemClock
from sagewright.wire.credentials import Keyring
from sagewright.wire.sigv4 import Verifier


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring.open(tmp_path / "credentials.json")


@pytest.fixture
def server(keyring: Keyring) -> Server:
    return Server(Verifier(keyring, SystemClock()))


@pytest.fixture
def client(server: Server, keyring: Keyring) -> Callable[..., Any]:
    """A boto3 client by service name, signed with the first key pair."""
    return lambda service, **arguments: server.client(service, keyring.first.access_key, keyring.first.secret, **arguments)
