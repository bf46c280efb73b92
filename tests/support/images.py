"""Images for tests, built and pushed as a user does: with podman, from nothing but this machine's own files.

podman itself needs no container engine for that: ``FROM scratch`` and COPY run nothing. Its storage, its configuration and its
logins lie in a folder of the test; nothing of the user's is read or changed, and nothing stays mounted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

BUSYBOX = next((found for found in ("/bin/busybox", "/usr/bin/busybox") if Path(found).exists()), None)
PODMAN = shutil.which("podman")
REGISTRY = shutil.which("docker-registry")
MISSING = [name for name, found in {"podman": PODMAN, "docker-registry": REGISTRY, "busybox": BUSYBOX}.items() if not found]
WHY_NOT = f"not installed: {', '.join(MISSING)}" if MISSING else "" if os.geteuid() == 0 else "building images here needs root"


class Podman:
    """podman with everything it keeps below ``folder``; storage by plain copies, which needs no mounts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        (folder / "containers.conf").write_text('[engine]\nevents_logger = "none"\ncgroup_manager = "cgroupfs"\n')
        (folder / "registries.conf").write_text("unqualified-search-registries = []\n")
        (folder / "policy.json").write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        storage = f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/run"\n'
        (folder / "storage.conf").write_text(storage)

    def __call__(self, *arguments: str, given: str = "") -> str:
        """Runs a command; its output. Raises AssertionError with what it said when it fails."""
        done = self.run(*arguments, given=given)
        assert done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        assert PODMAN is not None
        return subprocess.run(
            [PODMAN, *arguments], input=given, env=self.environment(), capture_output=True, text=True, check=False
        )

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "CONTAINERS_CONF": str(self._folder / "containers.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self._folder / "registries.conf"),
            "CONTAINERS_STORAGE_CONF": str(self._folder / "storage.conf"),
            "REGISTRY_AUTH_FILE": str(self._folder / "auth.json"),
            "TMPDIR": str(self._folder),
        }

    def build(self, tag: str, dockerfile: str, files: Mapping[str, str | bytes]) -> None:
        """Of a Dockerfile and what it copies; files beginning with #! may be run."""
        context = self._folder / f"context-{len(list(self._folder.glob('context-*')))}"
        for name, content in {"Dockerfile": dockerfile, **files}.items():
            data = content.encode() if isinstance(content, str) else content
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            (context / name).write_bytes(data)
            (context / name).chmod(0o755 if data[:2] in (b"#!", b"\x7fE") else 0o644)
        policy = ("--signature-policy", str(self._folder / "policy.json"))
        self("build", *policy, "--isolation", "chroot", "--layers=false", "-t", tag, str(context))


def shell_files() -> dict[str, bytes]:
    """What COPY needs for an image with a shell and nothing else."""
    assert BUSYBOX is not None
    return {"busybox": Path(BUSYBOX).read_bytes()}


SHELL = """FROM scratch
COPY busybox /bin/busybox
COPY busybox /bin/sh
"""


def python_tree(folder: Path) -> Path:
    """This machine's Python, as files of an image: /usr/bin/python3 with its standard library and the loader's libraries."""
    raise NotImplementedError(sysconfig, sys)
