"""Unpacks layers in a process of its own: what strangers packed is read outside of control, and large ones do not slow it down.

Standard input: JSON {"layers": pairs of blob and empty folder, "room" (bytes), "users", "owner"} (layer.py). It exits with 0, or with
REFUSED and a text for the user on standard output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sagewright.base.lifeline import end_with_parent
from sagewright.compute.oci.layer import unpack

REFUSED = 3
_SOURCE = str(Path(__file__).parents[3])
_PROGRAM = f"import sys; sys.path.insert(0, {_SOURCE!r}); from sagewright.compute.oci.unpacker import main; main()"


def run(layers: Sequence[tuple[Path, Path]], room: int, users: int | None, owner: tuple[int, int] | None) -> None:
    """Starts the process and waits for it; it ends with us. Raises ValueError with a text for the user, OSError."""
    request = {"layers": [[str(blob), str(folder)] for blob, folder in layers], "room": room, "users": users, "owner": owner}
    command = [sys.executable, "-I", "-S", "-c", _PROGRAM]
    environment = {"LANG": "C.UTF-8", "SAGEWRIGHT_SUPERVISOR": str(os.getpid())}
    done = subprocess.run(command, input=json.dumps(request).encode(), capture_output=True, env=environment, check=False)
    if done.returncode == REFUSED:
        raise ValueError(done.stdout.decode(errors="replace"))
    if done.returncode:
        raise OSError(5, f"a layer could not be unpacked: {done.stderr.decode(errors='replace')[-500:]}")


def main() -> None:
    """Entry point of the process."""
    end_with_parent()
    request = json.load(sys.stdin)
    owner = None if request["owner"] is None else (request["owner"][0], request["owner"][1])
    room = request["room"]
    try:
        for blob, folder in request["layers"]:
            room -= unpack(Path(blob), Path(folder), room, request["users"], owner)
    except FileNotFoundError:
        _refuse("a layer of it is not in the registry")
    except ValueError as broken:
        _refuse(str(broken))


def _refuse(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
    os._exit(REFUSED)
