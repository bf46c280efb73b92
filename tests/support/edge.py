"""A Sagewright with edge packaging jobs in this process: the real loop, rows and operations; S3 is a stand-in, compilations are rows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import CALLER as CALLER
from harness import ROLE, Harness, Parts

from sagewright.features.compilation.feature import Compilation
from sagewright.features.edge.feature import Edge
from sagewright.kernel.loop import Loop
from sagewright.store.database import Transaction
from sagewright.store.rows import Resource
from sagewright.wire.credentials import Keyring
from support.compilation import compilation_job
from support.jobs import archive
from support.objects import MemoryObjects

TERMINAL = ("COMPLETED", "FAILED", "STOPPED")
COMPILED = {"model.onnx": b"a graph", "compiled.json": json.dumps({"Framework": "SKLEARN", "Target": "ml_c5"}).encode()}
ARTEFACT = "s3://bucket/out/model-ml_c5.tar.gz"


class EdgeRig:
    """``restart`` is a control that died and came back."""

    def __init__(self, tmp_path: Path, twice: bool = False) -> None:
        self.objects = MemoryObjects("bucket")
        self.objects.put(ARTEFACT, archive(COMPILED))
        self.jobs = tmp_path / "jobs"
        self.keyring = Keyring.open(tmp_path / "credentials.json")
        self._twice = twice
        self.harness = Harness(
            controllers={"CompilationJob", "EdgePackagingJob"},
            rules=Edge.rules,
            quirks={**Compilation.quirks, **Edge.quirks},
            install=self._install,
        )

    def __enter__(self) -> EdgeRig:
        self.harness.__enter__()
        self.harness.run(self.loop.start())
        self.sagemaker = self.harness.client("sagemaker")
        self.edge = self.harness.client("sagemaker-edge")
        return self

    def __exit__(self, *error: Any) -> None:
        self._stop()
        self.harness.__exit__(None, None, None)

    def restart(self) -> None:
        self._stop()
        self._compose(self.harness.parts)
        self.harness.run(self.loop.start())

    def compiled(self, name: str = "compiled", state: str = "COMPLETED") -> None:
        """A compilation job that nobody runs."""
        self.sagemaker.create_compilation_job(**compilation_job(name))

        def work(transaction: Transaction) -> Resource:
            row = transaction.resources.get(CALLER.world, "CompilationJob", name)
            assert row is not None
            return transaction.resources.save(replace(row, state=state, status={**row.status, "CompilationJobStatus": state}))

        self.harness.run(self.harness.parts.store.write(work))

    def package(self, name: str = "package", **changes: Any) -> None:
        self.sagemaker.create_edge_packaging_job(**packaging_job(name, **changes))

    def describe(self, name: str = "package") -> dict[str, Any]:
        return dict(self.sagemaker.describe_edge_packaging_job(EdgePackagingJobName=name))

    def ended(self, name: str = "package") -> dict[str, Any]:
        return self.until(lambda: self.describe(name), lambda job: job["EdgePackagingJobStatus"] in TERMINAL)

    def fleet(self, *devices: str) -> None:
        self.sagemaker.create_device_fleet(DeviceFleetName="fleet", OutputConfig={"S3OutputLocation": "s3://bucket/fleet"})
        self.sagemaker.register_devices(DeviceFleetName="fleet", Devices=[{"DeviceName": name} for name in devices])

    def until(self, look: Callable[[], Any], fits: Callable[[Any], Any], seconds: float = 20.0) -> Any:
        deadline = time.monotonic() + seconds
        while not fits(found := look()):
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found

    def _stop(self) -> None:
        self.harness.run(self.loop.close())
        self.harness.run(self.feature.close())

    def _install(self, parts: Parts) -> None:
        self._compose(parts)
        self.feature.register(parts.engine, parts.operations)

    def _compose(self, parts: Parts) -> None:
        self.feature = Edge.compose(
            store=parts.store, objects=self.objects, keyring=self.keyring, jobs=self.jobs, wake=lambda row: self.loop.hint(row)
        )
        self.loop = Loop(parts.store, [self.feature.controller], twice=self._twice)


def packaging_job(name: str, **changes: Any) -> dict[str, Any]:
    """A CreateEdgePackagingJob request."""
    return {
        "EdgePackagingJobName": name,
        "CompilationJobName": "compiled",
        "ModelName": "forest",
        "ModelVersion": "1.0",
        "RoleArn": ROLE,
        "OutputConfig": {"S3OutputLocation": "s3://bucket/packages/"},
        **changes,
    }
