"""What this machine can do for containers, found out by trying, and the driver that makes the most of it.

``sagewright doctor`` prints ``survey``; the server takes ``choose``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sagewright.compute import cgroups, host
from sagewright.compute.fake import Fake
from sagewright.compute.host import Host
from sagewright.compute.launch import NOT_FOUND
from sagewright.compute.oci import program
from sagewright.compute.process import Process
from sagewright.compute.runtime import InstanceSpec, Peers, RootFs, Runtime
from sagewright.compute.sandbox import Sandbox
from sagewright.compute.supervised import Supervised, find_bubblewrap
from sagewright.compute.zygote import Zygote

SETTINGS = ("auto", "zygote", "sandbox", "process", "fake")
_OWN_IMAGES = "images of your own"
_TRIAL = 20.0  # seconds that a container of a probe may take


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing a machine has or lacks: ``detail`` says what was found, ``remedy`` how to get it (empty when there)."""

    name: str
    available: bool
    detail: str
    remedy: str = ""


def choose(setting: str, host: Host, idle: float = 0.0) -> Runtime:
    """The driver for a setting (SETTINGS); ``idle`` is settings.zygote_idle. Raises ValueError for another word; "auto" takes the best that works."""
    if setting not in SETTINGS:
        raise ValueError(f"runtime must be one of {', '.join(SETTINGS)}, not {setting!r}")
    if setting == "fake":
        return Fake()
    if setting == "process":
        return Process(host)
    bubblewrap = find_bubblewrap() is not None and not trial(lambda trial_host: Sandbox(trial_host))
    namespaces = not trial(_without_bubblewrap)
    if setting == "auto" and not (bubblewrap or namespaces):
        return Process(host)
    sandbox = Sandbox(host) if bubblewrap or not namespaces else Sandbox(host, None)
    return Zygote(host, fallback=sandbox, idle=idle) if setting == "zygote" or (setting == "auto" and namespaces) else sandbox


def survey() -> tuple[Capability, ...]:
    """Everything at once; takes some tenths of a second, for it starts containers."""
    return (_namespaces(), _bubblewrap(), _networks(), _cgroups(), _fuse(), _own_images(), _gpu())


def trial(driver: Callable[[Host], Supervised], alone: bool = True, image: bool = False) -> str:
    """Runs a container that does nothing, ``alone`` or in a network that others could share; returns why that failed, or "".

    With ``image`` its files are those of an empty image, in which there is no program: that is as far as it has to come.
    """
    with tempfile.TemporaryDirectory(prefix="sagewright-") as place:
        folder = Path(place)
        runtime = driver(Host(folder / "run", (folder,)))
        peers = None if alone else Peers(folder / "network", ("algo-1",))
        rootfs = _empty_image(folder) if image else None
        command = (sys.executable, "-c", "pass")
        spec = InstanceSpec("probe", "python", command, folder / "job", folder / "ml", peers=peers, rootfs=rootfs)
        spec.ml.mkdir()
        try:
            runtime.start(spec)
            return _outcome(runtime, spec.folder, NOT_FOUND if image else 0)
        except OSError as error:
            return str(error)
        finally:
            runtime.remove(spec.folder)
            runtime.remove(folder / "network")


def _empty_image(folder: Path) -> RootFs:
    layer = folder / "layers" / "empty"
    layer.mkdir(parents=True)
    if (users := host.image_users()) is not None:
        os.chown(layer, users, users)
    return RootFs((layer,))


def _outcome(runtime: Supervised, folder: Path, wanted: int) -> str:
    deadline = time.monotonic() + _TRIAL
    while (seen := runtime.observe(folder)).state == "running" and time.monotonic() < deadline:
        time.sleep(0.005)
    if seen.code == wanted:
        return ""
    return f"{seen.state} {seen.code} {seen.reason} {(folder / 'stdout').read_text(errors='replace')[-500:]}".strip()


def _without_bubblewrap(host: Host) -> Supervised:
    return Sandbox(host, None)


def _namespaces() -> Capability:
    problem = trial(_without_bubblewrap)
    remedy = (
        "Allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1 or "
        "kernel.apparmor_restrict_unprivileged_userns=0); Linux 5.12 or newer is needed. In a container: --privileged, "
        "or --cap-add SYS_ADMIN with seccomp and apparmor unconfined and /proc unmasked."
    )
    return Capability("namespaces", not problem, problem or "zygotes and sandboxes work", remedy if problem else "")


def _bubblewrap() -> Capability:
    program = find_bubblewrap()
    if program is None:
        return Capability("bubblewrap", False, "not installed", "Install it (apt install bubblewrap), or do without.")
    problem = trial(lambda host: Sandbox(host, program))
    return Capability("bubblewrap", not problem, problem or program, "See namespaces." if problem else "")


def _networks() -> Capability:
    """With whichever sandbox works: what the kernel has to offer is the same for both."""
    sandbox = _without_bubblewrap if not trial(_without_bubblewrap) else Sandbox
    problem = trial(sandbox, alone=False)
    remedy = "Load the kernel modules bridge and veth; else see namespaces. Jobs of one instance do without."
    detail = problem or "each instance of a job has one, joined by a bridge"
    return Capability("instance networks", not problem, detail, remedy if problem else "")


def _cgroups() -> Capability:
    base = cgroups.find_base()
    if base is None:
        remedy = "Run as root, or under systemd-run --user --scope -p Delegate=yes."
        return Capability("control groups", False, "none that we may use: limits are watched instead", remedy)
    version = "version 2" if "" in base else "version 1"
    return Capability("control groups", True, f"{version}: {', '.join(sorted(base.values()))}")


def _fuse() -> Capability:
    problem = Sandbox(Host(Path(), ())).without_file_systems
    if not problem:
        return Capability("FUSE", True, "FastFile and Pipe data are streamed from S3")
    remedy = (
        "Load the kernel module fuse, make /dev/fuse writable for this user, and see namespaces. In a container: "
        "--device /dev/fuse. Until then FastFile and Pipe data are copied before a training starts."
    )
    return Capability("FUSE", False, problem, remedy)


def _own_images() -> Capability:
    """Running them needs nothing but the kernel; pushing them, a registry."""
    problem = trial(_without_bubblewrap, image=True)
    if problem:
        return Capability(_OWN_IMAGES, False, problem, "See namespaces; overlayfs must be in the kernel, too.")
    registry = program.find()
    if registry is None:
        return Capability(_OWN_IMAGES, False, "they could run, but there is no registry to push them to", program.REMEDY)
    return Capability(_OWN_IMAGES, True, f"pushed to {registry}, run on overlayfs")


def _gpu() -> Capability:
    program = shutil.which("nvidia-smi")
    if program is None or not host.gpu_devices():
        return Capability("GPU", False, "no NVIDIA device", "Install NVIDIA's driver where there is a GPU.")
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=30, check=False)
    lines = listed.stdout.strip().splitlines()
    return Capability("GPU", listed.returncode == 0, "; ".join(lines) or listed.stderr.strip())
