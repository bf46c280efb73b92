"""A runtime without processes, for tests of what sits on top: containers do what a script says, when the test says.

Its records lie in the run folders like those of the others, so that a second object of it adopts what "runs".
"""

from __future__ import annotations

import signal as signals
import socket
from collections.abc import Callable
from pathlib import Path

from sagewright.base.clock import Clock, SystemClock
from sagewright.compute import records, trees
from sagewright.compute.runtime import InstanceSpec, Observed, Stats
from sagewright.compute.supervised import check

Program = Callable[[InstanceSpec], int | None]
"""Plays the user's program at its start, say by writing to ``spec.ml``: an exit code, or None to go on running."""

_LOST = "lost"


def runs_on(spec: InstanceSpec) -> int | None:
    """A program that runs until it is signalled or ``finish`` is called."""
    return None


class Fake:
    """The driver. ``program`` plays every container; ``started`` lists what was started, in order."""

    name = "fake"
    caution = ""
    without_file_systems = "the container is not a real one"

    def __init__(self, program: Program = runs_on, clock: Clock | None = None) -> None:
        self.program = program
        self.started: list[InstanceSpec] = []
        self.refusal: OSError | None = None
        self._clock = clock or SystemClock()
        self._ports: dict[tuple[Path, int], tuple[str, int]] = {}

    def start(self, spec: InstanceSpec) -> None:
        """See runtime.Runtime; raises ``refusal`` when a test has set it."""
        if self.observe(spec.folder).state != "missing":
            return
        if self.refusal is not None:
            raise self.refusal
        check(spec)
        spec.folder.mkdir(parents=True, exist_ok=True)
        (spec.folder / records.STDOUT).touch()
        records.write(spec.folder, records.STARTED, {"started": self._clock.now()})
        self.started.append(spec)  # last: a test that sees it may write the record anew
        code = self.program(spec)
        if code is not None:
            self.finish(spec.folder, code)

    def observe(self, folder: Path) -> Observed:
        """See runtime.Runtime."""
        started, ended = records.read(folder, records.STARTED), records.read(folder, records.EXIT)
        if started is None:
            return Observed("missing")
        if ended is not None:
            return Observed("exited", ended["code"], ended["reason"], started["started"], ended["ended"])
        return Observed("lost" if _LOST in started else "running", started=started["started"])

    def signal(self, folder: Path, number: int) -> None:
        """Ends the container with the code of a process without a handler."""
        if self.observe(folder).state == "running":
            self.finish(folder, 128 + signals.Signals(number))

    def dial(self, folder: Path, port: int) -> socket.socket:
        """Connects to where ``serve`` says that the container listens."""
        address = self._ports.get((folder, port))
        if address is None or self.observe(folder).state != "running":
            raise ConnectionRefusedError(111, "nobody listens there", str(folder))
        return socket.create_connection(address, 5)

    def stats(self, folder: Path) -> Stats:
        """See runtime.Runtime; nothing is used but disk."""
        if self.observe(folder).state != "running":
            raise ProcessLookupError(3, "nothing runs there", str(folder))
        return Stats(0.0, 0, trees.disk_use(folder))

    def remove(self, folder: Path) -> None:
        """See runtime.Runtime."""
        trees.remove(folder)

    def finish(self, folder: Path, code: int, reason: str = "") -> None:
        """For tests: the container ends."""
        records.write(folder, records.EXIT, {"code": code, "reason": reason, "ended": self._clock.now()})

    def lose(self, folder: Path) -> None:
        """For tests: the container and its shim vanish without a record."""
        started = records.read(folder, records.STARTED) or {"started": self._clock.now()}
        records.write(folder, records.STARTED, {**started, _LOST: True})

    def serve(self, folder: Path, port: int, address: tuple[str, int]) -> None:
        """For tests: the container listens on ``port``, and this is where its connections go."""
        self._ports[folder, port] = address
