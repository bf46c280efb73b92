"""A Sagewright with training jobs in this process: the real loop, rows and operations; the test brings the runtime."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import ROLE, WORLD, Harness, Parts

from sagewright.compute.environments.folder import Environments
from sagewright.compute.fake import Fake
from sagewright.compute.placement import Machine
from sagewright.compute.runtime import InstanceSpec, Runtime
from sagewright.compute.slots import Slots
from sagewright.features.training import feature
from sagewright.features.training.feature import Training
from sagewright.features.training.prospects import NO_LIMITS, Terms
from sagewright.kernel.loop import Loop
from sagewright.neighbours.service_quotas import ServiceQuotas
from sagewright.signals import logs
from sagewright.wire.credentials import Keyring
from support.objects import MemoryObjects
from support.signals import messages

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
LDA = "766337827248.dkr.ecr.us-east-1.amazonaws.com/lda:1"
PYTORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.6-cpu-py312"
# A tag without a version is met by whichever the server has: nothing of it is said in the log.
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:latest-cpu-py3"
GROUP = "/aws/sagemaker/TrainingJobs"


class Rig:
    """A Sagewright with training; ``restart`` is a control that died and came back."""

    def __init__(
        self,
        tmp_path: Path,
        runtime: Runtime,
        twice: bool = False,
        hold: float = 0.0,
        slots: int = 4,
        terms: Terms = NO_LIMITS,
        gpus: tuple[str, ...] = (),
    ) -> None:
        self._runtime = runtime
        self.objects = MemoryObjects("bucket")
        self.objects.put("s3://bucket/train/a.csv", b"1,2")
        self.jobs = tmp_path / "jobs"
        self.environments = Environments(tmp_path / "environments", tmp_path / "definitions")
        self.keyring = Keyring.open(tmp_path / "credentials.json")
        self._options = {"twice": twice, "hold": hold, "slots": slots}
        self._terms, self._gpus = terms, gpus
        self.harness = self._harness()

    def __enter__(self) -> Rig:
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

    def _start(self) -> None:
        self.harness.run(self.training.open())
        self.harness.run(self.loop.start())

    def _stop(self) -> None:
        self.harness.run(self.loop.close())
        self.harness.run(self.training.close())

    def _harness(self) -> Harness:
        return Harness(controllers={"TrainingJob"}, quirks=feature.QUIRKS, install=self._install)

    def _install(self, parts: Parts) -> None:
        self._compose(parts)
        self.training.install(parts.engine, parts.operations)
        for name, handler in ServiceQuotas(parts.store).operations().items():
            parts.operations.write("service-quotas", name, handler)

    def _compose(self, parts: Parts) -> None:
        self.training = Training.compose(
            store=parts.store,
            runtime=self._runtime,
            objects=self.objects,
            keyring=self.keyring,
            jobs=self.jobs,
            environments=self.environments,
            endpoint_url="http://127.0.0.1:8400",
            wake=lambda job: self.loop.hint(job),
            hold_describe=self._options["hold"],
            slots=Slots(int(self._options["slots"]), self._gpus),
            machine=Machine(2, 8 * 1024**3, self._gpus),
            terms=self._terms,
        )
        self.loop = Loop(parts.store, [self.training.controller], twice=bool(self._options["twice"]))

    def folder(self, name: str = "job", host: str = "algo-1") -> Path:
        return self.jobs / "training-job" / WORLD.account / WORLD.region / name / host

    def create(self, name: str = "job", **changes: Any) -> str:
        return str(self.sagemaker.create_training_job(**request(name, **changes))["TrainingJobArn"])

    def describe(self, name: str = "job") -> dict[str, Any]:
        return dict(self.sagemaker.describe_training_job(TrainingJobName=name))

    def reach(self, *states: str, name: str = "job", member: str = "TrainingJobStatus") -> dict[str, Any]:
        return self.until(lambda: self.describe(name), lambda job: job[member] in states)

    def ended(self, name: str = "job") -> dict[str, Any]:
        return self.reach("Completed", "Failed", "Stopped", name=name)

    def until(self, look: Callable[[], Any], fits: Callable[[Any], Any], seconds: float = 20.0) -> Any:
        deadline = time.monotonic() + seconds
        while not fits(found := look()):
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found

    def lines(self, job: dict[str, Any], host: str = "algo-1") -> list[str]:
        stream = f"{job['TrainingJobName']}/{host}-{int(job['TrainingStartTime'].timestamp())}"
        return self.harness.run(self.harness.parts.store.read(lambda transaction: messages(transaction, GROUP, stream)))

    def streams(self, job: dict[str, Any]) -> list[str]:
        """The hosts that have a log stream."""
        prefix = f"{job['TrainingJobName']}/"
        found = self.harness.run(
            self.harness.parts.store.read(lambda transaction: logs.describe_streams(transaction, WORLD, GROUP, prefix=prefix))
        )
        return [series.name.removeprefix(prefix).rpartition("-")[0] for series in found]


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


class FakeRig(Rig):
    """With containers that only the test moves."""

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        self.runtime = Containers()
        super().__init__(tmp_path, self.runtime, **options)

    def __enter__(self) -> FakeRig:
        super().__enter__()
        return self

    def spec(self, name: str = "job", host: str = "algo-1") -> InstanceSpec:
        key = f"training-job/{WORLD.account}/{WORLD.region}/{name}/{host}"
        return next(spec for spec in self.runtime.started if spec.key == key)


def statuses(job: dict[str, Any]) -> list[str]:
    return [step["Status"] for step in job["SecondaryStatusTransitions"]]


def request(name: str = "job", **changes: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/train/"}
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": SKLEARN, "TrainingInputMode": "File"},
        "HyperParameters": {"depth": "3"},
        "InputDataConfig": [{"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        **changes,
    }
