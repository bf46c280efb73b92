"""How the program that serves channels as file systems is started: its command and what it is told."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sagewright.objects.signing import Keys

_SOURCE = str(Path(__file__).parents[3])


def command() -> tuple[str, ...]:
    """Runs program.py in this interpreter, whatever the environment says."""
    return (
        sys.executable,
        "-I",
        "-c",
        f"import sys; sys.path.insert(0, {_SOURCE!r}); from sagewright.objects.mounted.program import main; main()",
    )


def document(url: str, region: str, keys: Keys, channels: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """For its standard input; ``channels`` are descriptions (channel.py), in the order of their mounts."""
    return {
        "url": url,
        "region": region,
        "access_key": keys.access_key,
        "secret_key": keys.secret_key,
        "token": keys.token,
        "channels": list(channels),
    }
