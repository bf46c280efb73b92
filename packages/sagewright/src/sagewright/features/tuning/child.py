"""The training job of a trial: its CreateTrainingJob request, who makes it, and how it learns whose it is."""

from __future__ import annotations

from collections.abc import Mapping

from sagewright.base.world import World
from sagewright.compute.way_back import SESSION
from sagewright.features.tuning.settings import Definition
from sagewright.features.tuning.trial import Trial
from sagewright.kernel.operation import Caller, Context
from sagewright.store.rows import Document, Resource
from sagewright.wire.credentials import assumed_role_arn

ACCESS_KEY = "SAGEWRIGHTTUNING"
"""No key that a signature could prove: a caller who has it is this process."""
AS_THEY_ARE = (
    "RoleArn",
    "InputDataConfig",
    "VpcConfig",
    "OutputDataConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "Environment",
    "RetryStrategy",
)
RESOURCES = ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId", "KeepAlivePeriodInSeconds", "InstanceGroups")
OBJECTIVE_NAME = "_tuning_objective_metric"


def request(definition: Definition, trial: Trial, tags: Mapping[str, str], built_in: bool) -> Document:
    """A ``built_in`` algorithm brings its own metric definitions. ``tags`` are the tuning job's (API CreateHyperParameterTuningJob)."""
    document = definition.document
    algorithm = {name: value for name, value in document["AlgorithmSpecification"].items() if name != "MetricDefinitions"}
    if not built_in and document["AlgorithmSpecification"].get("MetricDefinitions"):
        algorithm["MetricDefinitions"] = document["AlgorithmSpecification"]["MetricDefinitions"]
    made: Document = {
        "TrainingJobName": trial.name,
        "AlgorithmSpecification": algorithm,
        "HyperParameters": {**document.get("StaticHyperParameters", {}), **trial.values},
        "ResourceConfig": {name: value for name, value in document["ResourceConfig"].items() if name in RESOURCES},
        **{member: document[member] for member in AS_THEY_ARE if member in document},
    }
    if "CheckpointConfig" in document:  # one folder for each, or a trial would go on from another one's checkpoint
        given = document["CheckpointConfig"]
        made["CheckpointConfig"] = {**given, "S3Uri": f"{given['S3Uri'].rstrip('/')}/{trial.name}"}
    if tags:
        made["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    return made


def caller(job: Resource, definition: Definition) -> Caller:
    """The role of the training jobs, as which AWS acts, too."""
    return Caller(job.world, assumed_role_arn(definition.document["RoleArn"], SESSION), ACCESS_KEY)


class Parentage:
    """Writes TuningJobArn into the rows of training jobs as they are made: CreateTrainingJob has no member for it."""

    def __init__(self) -> None:
        self._expected: dict[tuple[World, str], str] = {}

    def expect(self, world: World, name: str, tuning_job: str) -> None:
        """The next training job of this name, made by us, is a trial of ``tuning_job`` (an ARN)."""
        self._expected[world, name] = tuning_job

    def forget(self, world: World, name: str) -> None:
        """It was made, or will not be."""
        self._expected.pop((world, name), None)

    def fill(self, context: Context, spec: Document) -> Document:
        """See kernel.kind.Fill."""
        if context.caller.access_key != ACCESS_KEY:
            return {}
        arn = self._expected.get((context.world, spec["TrainingJobName"]))
        return {} if arn is None else {"TuningJobArn": arn}
