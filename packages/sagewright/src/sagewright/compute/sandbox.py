"""Containers by bubblewrap, or by the kernel's namespaces directly where bubblewrap is not installed."""

from __future__ import annotations

import errno
import functools
import subprocess
from typing import Any

from sagewright.compute import host, root, workbench
from sagewright.compute.host import Host
from sagewright.compute.runtime import InstanceSpec
from sagewright.compute.supervised import Supervised, find_bubblewrap, run_shim

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # of an image that names none
_NEVER = (errno.EPERM, errno.ENODEV, errno.ENOSYS, errno.ENOSPC)  # of system calls: switched off, not compiled in


class Sandbox(Supervised):
    """The driver for any command. ``program`` is bubblewrap, looked for by default; None goes without."""

    name = "sandbox"

    def __init__(self, host: Host, program: str | None = "") -> None:
        super().__init__(host)
        self._program = find_bubblewrap() if program == "" else program

    def _launch(self, spec: InstanceSpec) -> None:
        env = container_environment(spec)
        steps = root.steps(spec, self._host)
        if spec.rootfs is not None:
            _run_image(self._request(spec, "namespaces", env=env, root=steps))
            return
        if self._program is None:
            run_shim(self._request(spec, "namespaces", env=env, root=steps))
            return
        options = _options(self._program)
        run_shim(self._request(spec, "bubblewrap", env=env, root=steps, bubblewrap=self._program, bubblewrap_options=options))


def container_environment(spec: InstanceSpec, has_workbench: bool = True) -> dict[str, str]:
    """The environment of a container's process; the folders that its PYTHONPATH names come before ours."""
    if spec.rootfs is not None:
        return {"PATH": _PATH, "HOSTNAME": spec.hostname, **spec.env}
    ours = host.environment(spec.hostname, spec.python)
    bench = workbench.variables(workbench.describe(spec.python, tuple(map(str, spec.layers))), has_workbench)
    env = {**ours, **bench, **spec.env}
    env["PATH"] = spec.env.get("PATH") or _joined(bench.get("PATH"), ours["PATH"])
    env["PYTHONPATH"] = _joined(spec.env.get("PYTHONPATH"), bench["PYTHONPATH"], ours.get("PYTHONPATH"))
    return {name: value for name, value in env.items() if value or name != "PYTHONPATH"}


def _joined(*paths: str | None) -> str:
    return ":".join(filter(None, paths))


def _run_image(request: dict[str, Any]) -> None:
    """Without a helper program: bubblewrap knows no layers. Raises OSError."""
    try:
        run_shim(request)
    except OSError as refused:
        if refused.errno not in _NEVER:
            raise
        text = f"images of your own need user namespaces and overlayfs, and it refuses one of them ({refused.strerror})"
        raise OSError(errno.EOPNOTSUPP, text) from refused


@functools.cache
def _options(program: str) -> list[str]:
    """Options that older bubblewraps lack: without --disable-userns (0.8) a container may make user namespaces of its own."""
    known = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    return ["--disable-userns"] if "--disable-userns" in known.stdout + known.stderr else []
