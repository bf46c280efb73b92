"""One server for all end-to-end tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.server import Server, running_server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started
