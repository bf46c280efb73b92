"""A Sagewright with edge packaging jobs in this process; compilations are rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from harness import CALLER as CALLER
from harness import ROLE, Parts

from sagewright.features.compilation import feature as compilation
from sagewright.features.edge.feature import Edge
from sagewright.jobs.ground import Ground
from sagewright.store.database import Transaction
from sagewright.store.rows import Resource
from support.compilation import compilation_job
from support.job_rig import FakeRig
from support.jobs import archive

COMPILED = {"model.onnx": b"a graph", "compiled.json": json.dumps({"Framework": "SKLEARN", "Target": "ml_c5"}).encode()}
ARTEFACT = "s3://bucket/out/model-ml_c5.tar.gz"


class EdgeRig(FakeRig):
    """See support.job_rig. Compilations are rows only."""

    KIND = "EdgePackagingJob"
    kinds = frozenset({"CompilationJob", KIND})
    rules = Edge.rules
    quirks: ClassVar[Mapping[str, Mapping[str, Any]]] = {**compilation.QUIRKS, **Edge.quirks}

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        super().__init__(tmp_path, **options)
        self.objects.put(ARTEFACT, archive(COMPILED))

    def __enter__(self) -> Self:
        super().__enter__()
        self.edge = self.harness.client("sagemaker-edge")
        return self

    def composed(self, ground: Ground, parts: Parts) -> Edge:
        return Edge(ground, self.keyring.master)

    def request(self, name: str, **changes: Any) -> dict[str, Any]:
        return packaging_job(name, **changes)

    def compiled(self, name: str = "compiled", state: str = "COMPLETED") -> None:
        """A compilation job that nobody runs."""
        self.sagemaker.create_compilation_job(**compilation_job(name))

        def work(transaction: Transaction) -> Resource:
            row = transaction.resources.get(CALLER.world, "CompilationJob", name)
            assert row is not None
            return transaction.resources.save(replace(row, state=state, status={**row.status, "CompilationJobStatus": state}))

        self.harness.run(self.harness.parts.store.write(work))

    def package(self, name: str = "package", **changes: Any) -> None:
        self._call("create", self.request(name, **changes))

    def describe(self, name: str = "package") -> dict[str, Any]:
        return super().describe(name)

    def ended(self, name: str = "package") -> dict[str, Any]:
        return super().ended(name)

    def fleet(self, *devices: str) -> None:
        self.sagemaker.create_device_fleet(DeviceFleetName="fleet", OutputConfig={"S3OutputLocation": "s3://bucket/fleet"})
        self.sagemaker.register_devices(DeviceFleetName="fleet", Devices=[{"DeviceName": name} for name in devices])


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
