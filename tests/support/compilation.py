"""A Sagewright with compilation jobs in this process: the real loop, rows and operations; containers and S3 are stand-ins."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import ROLE, WORLD, Harness, Parts

from sagewright.base.clock import SystemClock
from sagewright.compute.environments.folder import Environments
from sagewright.compute.placement import Machine
from sagewright.compute.slots import Slots
from sagewright.compute.way_back import WayBack
from sagewright.features.compilation.feature import Compilation
from sagewright.kernel.loop import Loop
from sagewright.wire.credentials import Keyring
from support.jobs import archive
from support.objects import MemoryObjects
from support.training import Containers

TERMINAL = ("COMPLETED", "FAILED", "STOPPED")


class CompilationRig:
    """``restart`` is a control that died and came back."""

    def __init__(self, tmp_path: Path, twice: bool = False) -> None:
        self.runtime = Containers()
        self.objects = MemoryObjects("bucket")
        self.objects.put("s3://bucket/model.tar.gz", archive({"model.joblib": b"x"}))
        self.jobs = tmp_path / "jobs"
        self.environments = Environments(tmp_path / "environments", tmp_path / "definitions")
        self.keyring = Keyring.open(tmp_path / "credentials.json")
        self._twice = twice
        self.harness = Harness(
            controllers={"CompilationJob"}, rules=Compilation.rules, quirks=Compilation.quirks, install=self._install
        )

    def __enter__(self) -> CompilationRig:
        self.harness.__enter__()
        self.harness.run(self.loop.start())
        self.sagemaker = self.harness.client("sagemaker")
        return self

    def __exit__(self, *error: Any) -> None:
        self._stop()
        self.harness.__exit__(None, None, None)

    def restart(self) -> None:
        self._stop()
        self._compose(self.harness.parts)
        self.harness.run(self.compilation.open())
        self.harness.run(self.loop.start())

    def create(self, name: str = "job", **changes: Any) -> str:
        return str(self.sagemaker.create_compilation_job(**compilation_job(name, **changes))["CompilationJobArn"])

    def describe(self, name: str = "job") -> dict[str, Any]:
        return dict(self.sagemaker.describe_compilation_job(CompilationJobName=name))

    def ended(self, name: str = "job") -> dict[str, Any]:
        return self.until(lambda: self.describe(name), lambda job: job["CompilationJobStatus"] in TERMINAL)

    def runs(self) -> None:
        self.until(lambda: self.runtime.started, bool)

    def folder(self, name: str = "job") -> Path:
        return self.jobs / "compilation-job" / WORLD.account / WORLD.region / name

    def until(self, look: Callable[[], Any], fits: Callable[[Any], Any], seconds: float = 20.0) -> Any:
        deadline = time.monotonic() + seconds
        while not fits(found := look()):
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found

    def _stop(self) -> None:
        self.harness.run(self.loop.close())
        self.harness.run(self.compilation.close())

    def _install(self, parts: Parts) -> None:
        self._compose(parts)
        self.compilation.register(parts.operations, parts.engine.catalog)

    def _compose(self, parts: Parts) -> None:
        self.compilation = Compilation.compose(
            store=parts.store,
            runtime=self.runtime,
            objects=self.objects,
            way_back=WayBack(("127.0.0.1", 8400), "http://127.0.0.1:8400", self.keyring, SystemClock()),
            jobs=self.jobs,
            environments=self.environments,
            wake=lambda job: self.loop.hint(job),
            slots=Slots(4),
            machine=Machine(2, 8 * 1024**3),
        )
        self.loop = Loop(parts.store, [self.compilation.controller], twice=self._twice)


def compilation_job(name: str, **changes: Any) -> dict[str, Any]:
    """A CreateCompilationJob request."""
    return {
        "CompilationJobName": name,
        "RoleArn": ROLE,
        "InputConfig": {"S3Uri": "s3://bucket/model.tar.gz", "Framework": "SKLEARN"},
        "OutputConfig": {"S3OutputLocation": "s3://bucket/out", "TargetDevice": "ml_c5"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }
