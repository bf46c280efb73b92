"""A Sagewright with one kind of jobs in this process: the real loop, rows and operations; containers and S3 are stand-ins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
from botocore import xform_name
from harness import WORLD, Harness, Parts

from sagewright.base.clock import SystemClock
from sagewright.compute.environments.folder import Environments
from sagewright.compute.fake import Fake
from sagewright.compute.placement import Machine
from sagewright.compute.runtime import InstanceSpec, Runtime
from sagewright.compute.slots import Slots
from sagewright.compute.way_back import WayBack
from sagewright.jobs import steps
from sagewright.jobs.folder import prefix
from sagewright.jobs.ground import Ground
from sagewright.kernel.kind import Rule
from sagewright.kernel.loop import Loop
from sagewright.signals import logs
from sagewright.wire.credentials import Keyring
from support.objects import MemoryObjects
from support.signals import messages
from support.waiting import until

TERMINAL = ("COMPLETED", "FAILED", "STOPPED")


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans look again after a moment instead of after seconds."""
    monkeypatch.setattr(steps, "RETRY_SECONDS", 0.2)
    monkeypatch.setattr(steps, "WAIT_SECONDS", 0.2)


def fails(spec: InstanceSpec) -> int:
    """A program whose container says why it fails."""
    (spec.ml / "output/failure").write_text("ClientError: InputConfiguration: it is green")
    return 1


class JobRig:
    """``restart`` is a control that died and came back. A rig of a kind says what is composed, and what its requests look like."""

    KIND: ClassVar[str]
    """CompilationJob"""
    kinds: ClassVar[frozenset[str]]
    """All that the rig has controllers for."""
    rules: ClassVar[Mapping[str, Sequence[Rule]]] = {}
    quirks: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __init__(
        self,
        tmp_path: Path,
        runtime: Runtime,
        twice: bool = False,
        hold: float = 0.0,
        slots: int = 4,
        gpus: tuple[str, ...] = (),
    ) -> None:
        self._runtime = runtime
        self.objects = MemoryObjects("bucket")
        self.jobs = tmp_path / "jobs"
        self.environments = Environments(tmp_path / "environments", tmp_path / "definitions")
        self.keyring = Keyring.open(tmp_path / "credentials.json")
        self._twice, self._hold, self._slots, self._gpus = twice, hold, slots, gpus
        self.harness = Harness(controllers=self.kinds, rules=self.rules, quirks=self.quirks, install=self._install)

    def composed(self, ground: Ground, parts: Parts) -> Any:
        """The feature: what has a controller, ``register``, ``open`` and ``close``. Also after a restart."""
        raise NotImplementedError

    def request(self, name: str, **changes: Any) -> dict[str, Any]:
        """A Create request."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.harness.__enter__()
        self._start()
        self.sagemaker = self.harness.client("sagemaker")
        return self

    def __exit__(self, *error: Any) -> None:
        self._stop()
        self.harness.__exit__(None, None, None)

    def restart(self) -> None:
        self._stop()
        self._compose(self.harness.parts)
        self._start()

    def folder(self, name: str = "job", host: str = "algo-1") -> Path:
        """The run folder of an instance."""
        return self.jobs / self._key(name, host)

    def create(self, name: str = "job", **changes: Any) -> str:
        return str(self._call("create", self.request(name, **changes))[f"{self.KIND}Arn"])

    def describe(self, name: str = "job") -> dict[str, Any]:
        return dict(self._call("describe", {f"{self.KIND}Name": name}))

    def ended(self, name: str = "job") -> dict[str, Any]:
        return self.until(lambda: self.describe(name), lambda job: job[f"{self.KIND}Status"].upper() in TERMINAL)

    def started(self, name: str = "job") -> list[InstanceSpec]:
        """The containers of a job that were started."""
        assert isinstance(self._runtime, Fake)
        return [spec for spec in self._runtime.started if spec.key.startswith(self._key(name, ""))]

    def runs(self, name: str = "job", hosts: int = 1) -> None:
        """Until every container of the job was started."""
        self.until(lambda: self.started(name), lambda seen: len(seen) >= hosts)

    def spec(self, name: str = "job", host: str = "algo-1") -> InstanceSpec:
        return next(spec for spec in self.started(name) if spec.key == self._key(name, host))

    until = staticmethod(until)

    def lines(self, job: dict[str, Any], host: str = "algo-1") -> list[str]:
        """What the log of an instance says."""
        noun = self.KIND.removesuffix("Job")
        stream = f"{job[f'{self.KIND}Name']}/{host}-{int(job[f'{noun}StartTime'].timestamp())}"
        return self.harness.run(self.harness.parts.store.read(lambda transaction: messages(transaction, self._group, stream)))

    def streams(self, job: dict[str, Any]) -> list[str]:
        """The hosts that have a log stream."""
        start, store = f"{job[f'{self.KIND}Name']}/", self.harness.parts.store
        found = self.harness.run(
            store.read(lambda transaction: logs.describe_streams(transaction, WORLD, self._group, prefix=start))
        )
        return [series.name.removeprefix(start).rpartition("-")[0] for series in found]

    @property
    def _group(self) -> str:
        return f"/aws/sagemaker/{self.KIND}s"

    def _key(self, name: str, host: str) -> str:
        return f"{prefix(self.KIND)}{WORLD.account}/{WORLD.region}/{name}/{host}"

    def _call(self, verb: str, request: dict[str, Any]) -> Any:
        return getattr(self.sagemaker, f"{verb}_{xform_name(self.KIND)}")(**request)

    def _start(self) -> None:
        self.harness.run(self.feature.open())
        self.harness.run(self.loop.start())

    def _stop(self) -> None:
        self.harness.run(self.loop.close())
        self.harness.run(self.feature.close())

    def _install(self, parts: Parts) -> None:
        self._compose(parts)
        self.feature.register(parts.engine, parts.operations)

    def _compose(self, parts: Parts) -> None:
        url = "http://127.0.0.1:8400"
        ground = Ground(
            store=parts.store,
            runtime=self._runtime,
            objects=self.objects,
            way_back=WayBack(("127.0.0.1", 8400), url, self.keyring, SystemClock()),
            jobs=self.jobs,
            environments=self.environments,
            slots=Slots(self._slots, self._gpus),
            machine=Machine(2, 8 * 1024**3, self._gpus),
            wake=lambda row: self.loop.hint(row),
            hold_describe=self._hold,
        )
        self.feature: Any = self.composed(ground, parts)
        self.loop = Loop(parts.store, self._controllers(), twice=self._twice)

    def _controllers(self) -> list[Any]:
        return [self.feature.controller]


class Containers(Fake):
    """Notes signals, with the host that got them, and does not die of every one; refuses to start the ``refused`` hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.signals: list[int] = []
        self.signalled: list[tuple[str, int]] = []
        self.ends_on = {9, 15}
        self.refused: set[str] = set()

    def start(self, spec: InstanceSpec) -> None:
        if spec.hostname in self.refused:
            raise OSError(11, "no more processes")
        super().start(spec)

    def signal(self, folder: Path, number: int) -> None:
        if self.observe(folder).state == "running":
            self.signals.append(number)
            self.signalled.append((folder.name, number))
        if number in self.ends_on:
            super().signal(folder, number)


class FakeRig(JobRig):
    """With containers that only the test moves."""

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        self.runtime = Containers()
        super().__init__(tmp_path, self.runtime, **options)
