"""What an instance type means on this machine.

An ``ml.*`` type becomes limits: the vCPUs and memory AWS gives it, as far as this machine has them. Jobs share the machine in
places (``compute/slots.py``), not by adding those numbers up: a laptop has fewer cores than one ml.m5.24xlarge, and waiting for
more would be for ever. GPUs are not shared: each belongs to one instance at a time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sagewright.compute.runtime import Limits

GIB = 1024**3

_TYPE = re.compile(r"ml\.([a-z]+)(\d+)([a-z0-9-]*)\.(medium|large|(\d*)xlarge)")
_GIB_PER_CPU: Mapping[str, float] = {
    "c4": 1.875,
    "c": 2,
    "m": 4,
    "r": 8,
    "t": 4,
    "g": 4,
    "p2": 15.25,
    "p3": 7.625,
    "p4": 12,
    "p": 10.67,
}
"""By family and generation, else by family. From the EC2 instance type pages; families not named have 4 GiB."""
_ACCELERATED = frozenset({"g", "gr", "p", "trn", "inf", "dl"})
_GPUS: Mapping[str, Mapping[str, int]] = {
    "p2": {"": 1, "8": 8, "16": 16},
    "p3": {"2": 1, "8": 4, "16": 8},
    "p3dn": {"24": 8},
    "p": {"4": 1, "": 8},
    "g4dn": {"12": 4, "": 1},
    "g5": {"12": 4, "24": 4, "48": 8, "": 1},
    "g": {"12": 4, "24": 4, "48": 8, "": 1},
    "gr": {"": 1},
}
"""NVIDIA GPUs by generation, else by family, and by size (the number before xlarge; "" is any other). From the same pages."""
_DEVICES = Path("/dev")
_SPARE = 0.9
"""The share of the machine's memory one container may use at most: the server and its objects live here, too."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Cores this process may use, memory in bytes, the ids of its NVIDIA GPUs as CUDA_VISIBLE_DEVICES takes them."""

    cpus: int
    memory: int
    gpus: tuple[str, ...] = ()

    @classmethod
    def here(cls) -> Machine:
        """This machine, or the part of it that our own CUDA_VISIBLE_DEVICES leaves us."""
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return cls(cpus, memory, gpus(_DEVICES, os.environ.get("CUDA_VISIBLE_DEVICES")))


@dataclass(frozen=True, slots=True)
class Size:
    """What AWS gives an instance type: vCPUs, memory in bytes, whether it has GPUs or other accelerators, how many NVIDIA GPUs."""

    cpus: int
    memory: int
    accelerated: bool
    gpus: int = 0


def gpus(devices: Path, visible: str | None) -> tuple[str, ...]:
    """The ids of the NVIDIA GPUs whose device files lie in a folder; of those only the ``visible``, a list with commas, if given."""
    found = sorted((path.name[6:] for path in devices.glob("nvidia[0-9]*") if path.name[6:].isdecimal()), key=int)
    if visible is None or not found:
        return tuple(found)
    return tuple(part.strip() for part in visible.split(",") if part.strip() and part.strip() != "-1")


@cache
def size(instance_type: str) -> Size:
    """Of any ``ml.*`` type; one that cannot be read counts as two vCPUs with 8 GiB."""
    found = _TYPE.fullmatch(instance_type)
    if found is None:
        return Size(2, 8 * GIB, False)
    family, generation, variant, word, times = found.groups()
    cpus = {"medium": 2 if family == "t" else 1, "large": 2}.get(word) or 4 * int(times or 1)
    memory = 2.0 if word == "medium" and family == "t" else _GIB_PER_CPU.get(family + generation, _GIB_PER_CPU.get(family, 4))
    return Size(cpus, int(cpus * memory * GIB), family in _ACCELERATED, _gpus(family, generation, variant, times or ""))


def _gpus(family: str, generation: str, variant: str, times: str) -> int:
    for name in (family + generation + variant, family + generation, family):
        if name in _GPUS:
            sizes = _GPUS[name]
            return sizes.get(times) or sizes.get("", 0)
    return 0


def limits(instance_type: str, volume_gb: int, machine: Machine, gpus: int = 0) -> Limits:
    """The limits of a container on an instance of this type with a volume of that many GB (0: the type's own disk) and so many GPUs."""
    wanted = size(instance_type)
    memory = min(wanted.memory, int(machine.memory * _SPARE))
    cpus = float(min(wanted.cpus, machine.cpus))
    return Limits(cpus=cpus, memory=memory, disk=volume_gb * GIB or None, gpus=gpus)


def gpu_shares(instance_types: Sequence[str], machine: Machine) -> tuple[int, ...]:
    """How many GPUs each instance of a job gets here: what AWS gives its type, until there is none left."""
    left, found = len(machine.gpus), []
    for instance_type in instance_types:
        found.append(min(size(instance_type).gpus, left))
        left -= found[-1]
    return tuple(found)


def serving_limits(instance_type: str, volume_gb: int, machine: Machine) -> Limits:
    """Those of a container that serves: with as many of the type's GPUs as this machine has."""
    return limits(instance_type, volume_gb, machine, min(size(instance_type).gpus, len(machine.gpus)))


def visible(devices: tuple[str, ...], of: tuple[str, ...]) -> dict[str, str]:
    """The variables by which a container finds its GPUs and no others ``of`` the machine's; none where there are none to hide."""
    if not of:
        return {}
    listed = ",".join(devices)
    return {"CUDA_VISIBLE_DEVICES": listed, "NVIDIA_VISIBLE_DEVICES": listed or "void"}


def notice(instance_type: str, given: int) -> str:
    """What the user should know about an instance of this type that has been ``given`` so many GPUs; mostly nothing."""
    wanted = size(instance_type)
    if not wanted.accelerated or 0 < wanted.gpus <= given:
        return ""
    if given:
        return f"{instance_type} has {wanted.gpus} GPUs, and this machine has {given} for it."
    what = "GPUs" if wanted.gpus else "accelerators"
    return f"{instance_type} has {what}, of which this machine has none for the job: it runs on CPU."
