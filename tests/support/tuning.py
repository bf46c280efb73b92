"""A Sagewright with training and tuning in this process: real loop, rows and operations; containers are the test's."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from harness import ROLE, Parts

from sagewright.compute.runtime import InstanceSpec
from sagewright.features.training.feature import Training
from sagewright.features.tuning.tuning import Tuning
from sagewright.jobs.ground import Ground
from sagewright.kernel.feature import quirks
from support.training import SKLEARN, FakeRig

KIND = "HyperParameterTuningJob"
METRIC = {"Name": "loss", "Regex": "loss=([0-9.eE+-]+)"}
ENDED = ("Completed", "Failed", "Stopped")


_current: dict[str, Any] = {}


def _late(kind: str) -> Callable[..., dict[str, Any]]:
    """The fills of the tuning that is composed now: a restarted control has another one."""

    def fill(context: Any, spec: dict[str, Any]) -> dict[str, Any]:
        return {name: value for one in _current[kind]["fills"] for name, value in one(context, spec).items()}

    return fill


_QUIRKS = {kind: {"fills": (_late(kind),)} for kind in ("TrainingJob", KIND)}


class TuningRig(FakeRig):
    """``program`` of the fake runtime is what every training job does; its hyperparameters are its own."""

    kinds = frozenset({"TrainingJob", KIND})
    quirks = _QUIRKS
    tuning: Tuning

    def composed(self, ground: Ground, parts: Parts) -> Training:
        self.tuning = Tuning(parts.store, parts.client, ground.wake)
        training = super().composed(ground, parts)
        _current.update(quirks([training, self.tuning]))
        return training

    def _install(self, parts: Parts) -> None:
        super()._install(parts)
        self.tuning.register(parts.engine, parts.operations)

    def _controllers(self) -> list[Any]:
        return [*super()._controllers(), self.tuning.controller]

    def _stop(self) -> None:
        super()._stop()
        self.harness.run(self.tuning.close())

    def tune(self, name: str = "tuning", **changes: Any) -> str:
        return str(self.sagemaker.create_hyper_parameter_tuning_job(**tuning_job(name, **changes))[f"{KIND}Arn"])

    def tuning_job(self, name: str = "tuning") -> dict[str, Any]:
        return dict(self.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name))

    def tuned(self, name: str = "tuning", *states: str, seconds: float = 30.0) -> dict[str, Any]:
        return self.until(lambda: self.tuning_job(name), lambda job: job[f"{KIND}Status"] in (states or ENDED), seconds)

    def trials(self, name: str = "tuning", **request: Any) -> list[dict[str, Any]]:
        pages = self.sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
            HyperParameterTuningJobName=name, **request
        )
        return [item for page in pages for item in page["TrainingJobSummaries"]]


def objective(loss: Callable[[dict[str, str]], float], *more: float) -> Callable[[InstanceSpec], int]:
    """A program that prints ``more`` losses and then that of its hyperparameters."""

    def program(spec: InstanceSpec) -> int:
        text = (spec.ml / "input/config/hyperparameters.json").read_text()
        given = dict(re.findall(r'"([^"]+)":\s*"([^"]*)"', text))
        lines = [f"loss={value!r}\n" for value in (*more, loss(given))]
        (spec.folder / "stdout").write_text("".join(lines))
        return 0

    return program


def tuning_job(name: str = "tuning", **changes: Any) -> dict[str, Any]:
    """``config``, ``limits``, ``ranges`` and ``definition`` change what lies below; anything else a member of the request."""
    config = {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 1, **changes.pop("limits", {})},
        "ParameterRanges": changes.pop("ranges", {"ContinuousParameterRanges": [continuous("x", "0", "1")]}),
        **changes.pop("config", {}),
    }
    request = {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {key: value for key, value in config.items() if value is not None},
        "TrainingJobDefinition": definition(**changes.pop("definition", {})),
        **changes,
    }
    return {key: value for key, value in request.items() if value is not None}


def definition(**changes: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/train/"}
    made = {
        "AlgorithmSpecification": {"TrainingImage": SKLEARN, "TrainingInputMode": "File", "MetricDefinitions": [METRIC]},
        "RoleArn": ROLE,
        "StaticHyperParameters": {"depth": "3"},
        "InputDataConfig": [{"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        **changes,
    }
    return {key: value for key, value in made.items() if value is not None}


def continuous(name: str, low: str, high: str, scaling: str = "Linear") -> dict[str, str]:
    return {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scaling}
