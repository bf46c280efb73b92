"""The process of the registry: ``python -m sagewright.compute.oci.server`` becomes it (settings as SAGEWRIGHT_*)."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

from sagewright.base import files
from sagewright.base.lifeline import end_with_parent
from sagewright.compute.oci import program
from sagewright.compute.oci.layout import GARBAGE, Layout
from sagewright.settings import Settings

_PASSED = ("PATH", "TZ")


def main() -> None:
    """Returns only when there is no registry to become."""
    end_with_parent()  # outlives the change of program
    settings = Settings.from_env()
    found = program.find()
    if found is None:
        print(f"sagewright: {program.REMEDY}", file=sys.stderr)
        sys.exit(1)
    settings.registry.mkdir(mode=0o700, exist_ok=True)
    Layout(settings.registry).prepare()
    file = settings.run / "registry.json"
    files.write(file, program.configuration(settings.registry, settings.registry_socket, secrets.token_hex(16)).encode(), 0o600)
    settings.registry_socket.unlink(missing_ok=True)
    environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
    *before, last = program.commands(found, settings.registry, file)
    for command in before:
        _collect(command, environment, settings)
    os.umask(0o077)
    os.execve(last[0], last, environment)


def _collect(command: list[str], environment: dict[str, str], settings: Settings) -> None:
    """What cannot be collected stays until the next start: no reason to be without a registry."""
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        print(f"sagewright: garbage of the registry stays: {done.stderr[-500:]}", file=sys.stderr, flush=True)
    else:
        (settings.registry / GARBAGE).unlink()


if __name__ == "__main__":
    main()
