"""A Sagewright with processing jobs in this process: the real loop, rows and operations; containers and S3 are stand-ins."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import ROLE, WORLD, Harness, Parts

from sagewright.base.clock import SystemClock
from sagewright.compute.environments.folder import Environments
from sagewright.compute.placement import Machine
from sagewright.compute.runtime import InstanceSpec
from sagewright.compute.slots import Slots
from sagewright.compute.way_back import WayBack
from sagewright.features.processing import feature
from sagewright.features.processing.feature import Processing
from sagewright.kernel.loop import Loop
from sagewright.neighbours.iam.operations import Iam
from sagewright.signals import logs
from sagewright.wire.credentials import Keyring
from support.objects import MemoryObjects
from support.signals import messages
from support.training import SKLEARN, Containers

GROUP = "/aws/sagemaker/ProcessingJobs"
INPUT = "/opt/ml/processing/input/data"
OUTPUT = "/opt/ml/processing/output"


class ProcessingRig:
    """A Sagewright with processing; ``restart`` is a control that died and came back."""

    def __init__(self, tmp_path: Path, twice: bool = False, hold: float = 0.0, slots: int = 4) -> None:
        self.runtime = Containers()
        self.objects = MemoryObjects("bucket")
        self.objects.put("s3://bucket/in/a.csv", b"1,2")
        self.jobs = tmp_path / "jobs"
        self.tables = tmp_path / "tables.toml"
        self.environments = Environments(tmp_path / "environments", tmp_path / "definitions")
        self.keyring = Keyring.open(tmp_path / "credentials.json")
        self._twice, self._hold, self._slots = twice, hold, slots
        self.harness = Harness(controllers={"ProcessingJob"}, quirks=feature.QUIRKS, install=self._install)

    def __enter__(self) -> ProcessingRig:
        self.harness.__enter__()
        self.harness.run(self.loop.start())
        self.sagemaker = self.harness.client("sagemaker")
        self.iam = self.harness.client("iam")
        return self

    def __exit__(self, *error: Any) -> None:
        self._stop()
        self.harness.__exit__(None, None, None)

    def restart(self) -> None:
        self._stop()
        self._compose(self.harness.parts)
        self.harness.run(self.loop.start())

    def _stop(self) -> None:
        self.harness.run(self.loop.close())
        self.harness.run(self.processing.close())

    def _install(self, parts: Parts) -> None:
        self._compose(parts)
        self.processing.install(parts.engine, parts.operations)
        for name, handler in Iam(parts.store).operations().items():
            parts.operations.write("iam", name, handler)

    def _compose(self, parts: Parts) -> None:
        address = ("127.0.0.1", 8400)
        self.processing = Processing.compose(
            store=parts.store,
            runtime=self.runtime,
            objects=self.objects,
            way_back=WayBack(address, "http://127.0.0.1:8400", self.keyring, SystemClock()),
            jobs=self.jobs,
            tables=self.tables,
            environments=self.environments,
            wake=lambda job: self.loop.hint(job),
            slots=Slots(self._slots),
            machine=Machine(2, 8 * 1024**3),
            hold_describe=self._hold,
        )
        self.loop = Loop(parts.store, [self.processing.controller], twice=self._twice)

    def folder(self, name: str = "job", host: str = "algo-1") -> Path:
        return self.jobs / "processing-job" / WORLD.account / WORLD.region / name / host

    def spec(self, name: str = "job", host: str = "algo-1") -> InstanceSpec:
        key = f"processing-job/{WORLD.account}/{WORLD.region}/{name}/{host}"
        return next(spec for spec in self.runtime.started if spec.key == key)

    def create(self, name: str = "job", **changes: Any) -> str:
        return str(self.sagemaker.create_processing_job(**processing_job(name, **changes))["ProcessingJobArn"])

    def describe(self, name: str = "job") -> dict[str, Any]:
        return dict(self.sagemaker.describe_processing_job(ProcessingJobName=name))

    def runs(self, name: str = "job", hosts: int = 1) -> None:
        """Until every container of the job was started."""
        prefix = f"processing-job/{WORLD.account}/{WORLD.region}/{name}/"
        self.until(
            lambda: [spec for spec in self.runtime.started if spec.key.startswith(prefix)], lambda seen: len(seen) >= hosts
        )

    def ended(self, name: str = "job") -> dict[str, Any]:
        return self.until(
            lambda: self.describe(name), lambda job: job["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped")
        )

    def until(self, look: Callable[[], Any], fits: Callable[[Any], Any], seconds: float = 20.0) -> Any:
        deadline = time.monotonic() + seconds
        while not fits(found := look()):
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found

    def lines(self, job: dict[str, Any], host: str = "algo-1") -> list[str]:
        stream = f"{job['ProcessingJobName']}/{host}-{int(job['ProcessingStartTime'].timestamp())}"
        return self.harness.run(self.harness.parts.store.read(lambda transaction: messages(transaction, GROUP, stream)))

    def streams(self, job: dict[str, Any]) -> list[str]:
        """The hosts that have a log stream."""
        prefix = f"{job['ProcessingJobName']}/"
        found = self.harness.run(
            self.harness.parts.store.read(lambda transaction: logs.describe_streams(transaction, WORLD, GROUP, prefix=prefix))
        )
        return [series.name.removeprefix(prefix).rpartition("-")[0] for series in found]


def s3_input(name: str = "data", uri: str = "s3://bucket/in/", path: str = INPUT, **changes: Any) -> dict[str, Any]:
    source = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": {**source, **changes}}


def s3_output(name: str = "out", uri: str = "s3://bucket/out", path: str = OUTPUT, mode: str = "EndOfJob") -> dict[str, Any]:
    return {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode}}


def cluster(count: int = 1) -> dict[str, Any]:
    return {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 5}}


def processing_job(name: str = "job", **changes: Any) -> dict[str, Any]:
    return {
        "ProcessingJobName": name,
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": SKLEARN, "ContainerEntrypoint": ["python3", f"{INPUT}/x.py"]},
        "ProcessingInputs": [s3_input()],
        "ProcessingOutputConfig": {"Outputs": [s3_output()]},
        "ProcessingResources": cluster(),
        **changes,
    }
