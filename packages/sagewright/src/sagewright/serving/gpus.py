"""Which of this machine's GPUs a serving container sees.

Endpoints do not wait for GPUs as jobs do: a container gets as many as its instance type has, those first that fewest others use, and shares
them where the machine has no more. A file for each container says what it got, so a restarted control knows.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

from sagewright.base import files
from sagewright.compute.placement import visible
from sagewright.serving.unit import Unit

Devices = tuple[str, ...]


class Gpus:
    """``devices`` are the machine's by their ids; ``held`` tells which of them jobs have at the moment."""

    def __init__(self, folder: Path, devices: Devices = (), held: Callable[[], Iterable[str]] = tuple) -> None:
        self._folder = folder
        self._devices = devices
        self._held = held

    def lend(self, unit: Unit) -> dict[str, str]:
        """The variables by which a container finds its GPUs and no others; the same whenever they are asked for."""
        file = self._file(unit)
        if unit.limits.gpus and not file.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            lent = {"home": str(unit.home), "devices": self._least_used(unit.limits.gpus)}
            files.write(file, json.dumps(lent).encode())
        return visible(_read(file) if unit.limits.gpus else (), self._devices)

    def give_back(self, unit: Unit) -> None:
        """The container is no more."""
        self._file(unit).unlink(missing_ok=True)

    def _least_used(self, count: int) -> Devices:
        used = Counter(chain(self._held(), *self._lent()))
        chosen = sorted(self._devices, key=lambda device: used[device])[:count]
        return tuple(device for device in self._devices if device in chosen)

    def _lent(self) -> Iterator[Devices]:
        """What the containers have; of one that went without giving back nothing is left but its file."""
        for file in self._folder.glob("[!.]*"):
            if Path(json.loads(file.read_bytes())["home"]).exists():
                yield _read(file)
            else:
                file.unlink()

    def _file(self, unit: Unit) -> Path:
        return self._folder / hashlib.sha256(unit.key.encode()).hexdigest()


def _read(file: Path) -> Devices:
    return tuple(json.loads(file.read_bytes())["devices"])
