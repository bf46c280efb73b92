"""The container's view of a file system, as a list of steps that every driver carries out in order.

A step is [kind, source, target] with target absolute inside: "read" and "write" bind a file or folder of the host, "lent read" and
"lent write" somebody's folder (lent.py), "device" a device file, "file" is "read" for a file in the place of whatever is there,
"fuse" mounts the file system with the number ``source`` (fuse.py), "mask" covers a folder with an empty one, "link" makes a symbolic link at the top, "memory" is a tmpfs of source
bytes, "proc" and "dev" are what their names say. Shallow targets come first, so that a deeper one lies on top of them.
The root itself is a folder of the run folder: what a program writes to /tmp or / lies on disk, counts against the disk limit
and goes when the container ends.
"""

from __future__ import annotations

import os
from pathlib import Path

from sagewright.compute import host, scratch
from sagewright.compute.host import Host
from sagewright.compute.runtime import InstanceSpec, Mount

_TOPOLOGY = "/sys/devices/system"  # processors, for OpenMP and torch
_SHARED_MEMORY = 1 << 30  # bytes of /dev/shm where no memory limit says otherwise


def steps(spec: InstanceSpec, this: Host) -> list[list[str]]:
    """The view of one container."""
    if spec.rootfs is not None:
        return _in_order(_essentials(spec) + _names(spec) + _ml_of_image(spec) + _mounts(spec))
    shown = [(source, target) for source, target in host.trees() if not _is_hidden(source, this.hidden)]
    found = [["read", source, target] for source, target in (*shown, *host.interpreter(spec.python))]
    found += [["link", goal, path] for goal, path in host.links()]
    found += _masks(shown, this.hidden)
    found += _essentials(spec)
    found += [["read", str(spec.folder / name), f"/etc/{name}"] for name in scratch.NAMES if _is_file(f"/etc/{name}")]
    if (resolver := host.resolver()) is not None:
        found.append(["read", resolver, resolver])
    found.append(["write", str(spec.ml), "/opt/ml"])
    found += [["read", str(layer), str(layer)] for layer in spec.layers]
    return _in_order(found + _mounts(spec))


def _in_order(steps: list[list[str]]) -> list[list[str]]:
    return sorted(steps, key=lambda step: step[2].rstrip("/").count("/"))


def _essentials(spec: InstanceSpec) -> list[list[str]]:
    """What every program takes for granted, and the GPUs."""
    found = [["proc", "", "/proc"], ["dev", "", "/dev"], ["memory", str(spec.limits.memory or _SHARED_MEMORY), "/dev/shm"]]
    return found + [["device", device, device] for device in host.gpu_devices() if spec.limits.gpus]


def _mounts(spec: InstanceSpec) -> list[list[str]]:
    found = [[_kind(mount), str(mount.source), mount.target] for mount in spec.mounts]
    if spec.file_systems is not None:
        found += [["fuse", str(number), target] for number, target in enumerate(spec.file_systems.targets)]
    return found


def _names(spec: InstanceSpec) -> list[list[str]]:
    """Who and where a container of an image is; what the image has at these places counts for nothing, links included."""
    found = [["file", str(spec.folder / name), f"/etc/{name}"] for name in scratch.NAMES]
    resolver = os.path.realpath("/etc/resolv.conf")
    if spec.network == "open" and Path(resolver).is_file():
        found.append(["file", resolver, "/etc/resolv.conf"])
    if Path(_TOPOLOGY).is_dir():
        found.append(["read", _TOPOLOGY, _TOPOLOGY])
    return found


def _ml_of_image(spec: InstanceSpec) -> list[list[str]]:
    """The folders of /opt/ml one by one: an image may bring more there, its code in /opt/ml/code above all.

    Only what holds something or is to be filled hides the image's.
    """
    folders = [entry for entry in sorted(spec.ml.iterdir()) if entry.is_dir() and not entry.is_symlink()]
    shown = [entry for entry in folders if entry.name != "code" or any(entry.iterdir())]
    return [["write", str(entry), f"/opt/ml/{entry.name}"] for entry in shown]


def _kind(mount: Mount) -> str:
    kind = "write" if mount.writable else "read"
    return f"lent {kind}" if mount.lent else kind


def _is_hidden(source: str, hidden: tuple[Path, ...]) -> bool:
    return any(source == os.path.realpath(path) for path in hidden)


def _masks(shown: list[tuple[str, str]], hidden: tuple[Path, ...]) -> list[list[str]]:
    """Covers each hidden folder wherever a tree would show it."""
    found = []
    for path in hidden:
        real = Path(os.path.realpath(path))
        for source, target in shown:
            if real.is_relative_to(source) and real.is_dir():
                found.append(["mask", "", str(Path(target) / real.relative_to(source))])
    return found


def _is_file(path: str) -> bool:
    """A link would be followed into the host's folder, which is read-only."""
    return Path(path).is_file() and not Path(path).is_symlink()
