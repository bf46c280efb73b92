"""The command line is one more client of the public API: botocore against the running server."""

from __future__ import annotations

from typing import Any

import botocore.config
import botocore.session

from sagewright.cli.options import fail
from sagewright.cli.server import running_settings
from sagewright.settings import Settings
from sagewright.wire.credentials import Keyring


def connect(settings: Settings) -> Settings:
    """The settings of the running server; fails when there is none."""
    running = running_settings(settings)
    if running is None:
        fail(f"no server is running on {settings.data}; start one with: sagewright up")
    return running


def client(settings: Settings, service: str) -> Any:
    """A botocore client of the server these settings describe, with the generated key pair."""
    keys = Keyring.open(settings.credentials, settings.account, settings.region).first
    session = botocore.session.Session(profile=None)
    return session.create_client(
        service,
        region_name=settings.region,
        endpoint_url=settings.url,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret,
        config=botocore.config.Config(
            proxies={}, retries={"max_attempts": 2}, read_timeout=80, s3={"addressing_style": "path"}
        ),
    )
