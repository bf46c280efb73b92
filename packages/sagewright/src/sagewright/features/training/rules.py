"""What CreateTrainingJob refuses before anything is written. Pure.

AWS refuses little at this point: most mistakes only show when the job runs. What this version cannot do is refused here, in
words that say so, and never ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sagewright.compute.images import resolve
from sagewright.features.training import channel_rules, channels, warm_pool
from sagewright.features.training.deadlines import DEFAULT_MAX_RUNTIME
from sagewright.jobs.instances import groups
from sagewright.jobs.refusals import unsupported
from sagewright.kernel.operation import Context
from sagewright.objects.s3 import Location
from sagewright.quotas import values
from sagewright.quotas.names import TRAINING, quota
from sagewright.store.rows import Document
from sagewright.wire.errors import validation
from sagewright_algorithms.manifest import load

Request = Mapping[str, Any]

SERVICE_MANAGED = ("ServerlessJobConfig", "MlflowConfig", "ModelPackageConfig")
RULE_LISTS = ("DebugRuleConfigurations", "ProfilerRuleConfigurations")
QUOTA = 32
"""Instances of one type in a job: what one machine can be asked for, in the form of AWS's quotas."""
UNCHECKPOINTED_WAIT = 3600
RESERVED = ("/opt/ml", "/opt/ml/input", "/opt/ml/model", "/opt/ml/output", "/opt/ml/code", "/opt/ml/processing")
CLOSED = ("/opt/ml/input", "/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr")


def check(_: Context, request: Document) -> None:
    """Raises Fault (ValidationException) for the first thing that is wrong."""
    for rule in (_not_there_yet, _algorithm, _resources, _terms, channel_rules.problems, _locations):
        for problem in rule(request):
            raise validation(problem)
    _check_quota(request)


def _not_there_yet(request: Request) -> Iterator[str]:
    for member in SERVICE_MANAGED:
        if request.get(member):
            yield unsupported(member)
    for member in RULE_LISTS:
        if request.get(member):
            yield unsupported(f"{member}: rules are not evaluated")
    if request.get("RemoteDebugConfig", {}).get("EnableRemoteDebug"):
        yield unsupported("RemoteDebugConfig")


def _algorithm(request: Request) -> Iterator[str]:
    """API AlgorithmSpecification: exactly one of TrainingImage and AlgorithmName."""
    algorithm = request.get("AlgorithmSpecification")
    if not algorithm:
        yield "AlgorithmSpecification is required."
        return
    if ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
        yield "Specify exactly one of TrainingImage and AlgorithmName in AlgorithmSpecification."
    if "AlgorithmName" in algorithm:
        yield unsupported("AlgorithmSpecification.AlgorithmName")
    image = resolve(algorithm["TrainingImage"])
    if image.problem:
        yield image.problem
    if image.kind == "own" and channels.PIPE in channels.modes(request):
        yield unsupported("Pipe mode with an image of your own")
    if image.algorithm and algorithm.get("MetricDefinitions"):  # AWS's words, seen in public logs
        yield (
            "You can't override the metric definitions for Amazon SageMaker algorithms. "
            "Please retry the request without specifying metric definitions."
        )


def _resources(request: Request) -> Iterator[str]:
    resources = request.get("ResourceConfig", {})
    if resources.get("InstanceGroups"):
        yield from _groups(resources)
    elif "InstanceType" not in resources or "InstanceCount" not in resources:
        yield "InstanceType and InstanceCount are required in ResourceConfig."
    for member in ("TrainingPlanArn", "InstancePreferences", "InstancePlacementConfig"):
        if resources.get(member):
            yield unsupported(f"ResourceConfig.{member}")
    count = sum(group["InstanceCount"] for group in groups(resources))
    if count < 1:
        yield "A training job needs at least one instance."
    algorithm = resolve(request["AlgorithmSpecification"]["TrainingImage"]).algorithm
    if count > 1 and algorithm and not load(algorithm).training.distributed and not _has_program(request):
        yield unsupported(f"Training {load(algorithm).title} on more than one instance")


def _terms(request: Request) -> Iterator[str]:
    """API StoppingCondition, DG model-managed-spot-training and train-warm-pools: what goes with spot instances and warm pools."""
    condition, spot = request.get("StoppingCondition", {}), bool(request.get("EnableManagedSpotTraining"))
    wait, runtime = condition.get("MaxWaitTimeInSeconds"), condition.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME)
    if not spot and wait is not None:
        yield "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
    if spot and (wait is None or wait < runtime):
        yield "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
    if spot and wait is not None and wait > UNCHECKPOINTED_WAIT and _is_without_checkpoints(request):
        yield f"MaxWaitTimeInSeconds must not exceed {UNCHECKPOINTED_WAIT} for a built-in algorithm without CheckpointConfig."
    if warm_pool.keep_alive(request) and spot:
        yield "KeepAlivePeriodInSeconds is not supported for managed spot training jobs."
    if warm_pool.keep_alive(request) and request["ResourceConfig"].get("InstanceGroups"):
        yield "KeepAlivePeriodInSeconds is not supported for heterogeneous clusters."


def _is_without_checkpoints(request: Request) -> bool:
    """DG model-managed-spot-training: "built-in algorithms … that do not checkpoint are currently limited" to an hour."""
    algorithm = resolve(request["AlgorithmSpecification"]["TrainingImage"]).algorithm
    return bool(algorithm) and not request.get("CheckpointConfig") and not _has_program(request)


def _groups(resources: Request) -> Iterator[str]:
    """API ResourceConfig: instance groups take the place of InstanceType and InstanceCount."""
    names = [group["InstanceGroupName"] for group in resources["InstanceGroups"]]
    if "InstanceType" in resources or "InstanceCount" in resources:
        yield "Specify either InstanceGroups or InstanceType and InstanceCount in ResourceConfig, not both."
    if len(set(names)) < len(names):
        yield "Instance group names in ResourceConfig must be unique."


def _has_program(request: Request) -> bool:
    """Whether the user's own code runs in the place of an image's algorithm."""
    named = ("sagemaker_program" in request.get("HyperParameters", {}), "SAGEMAKER_PROGRAM" in request.get("Environment", {}))
    return any(named) or bool(request["AlgorithmSpecification"].get("ContainerEntrypoint"))


def _check_quota(request: Document) -> None:
    """Raises Fault with AWS's code and wording of a service quota: what a job can ask of one machine, whatever the account may."""
    asked = Counter[str]()
    for group in groups(request["ResourceConfig"]):
        asked[group["InstanceType"]] += group["InstanceCount"]
    for instance_type, count in asked.items():
        if count > QUOTA:
            raise values.exceeded(quota(instance_type, TRAINING), QUOTA, 0, count, here=False)


def _locations(request: Request) -> Iterator[str]:
    uris = [
        request["OutputDataConfig"]["S3OutputPath"],
        *(source["S3Uri"] for source in channels.s3_sources(request)),
        *([request["CheckpointConfig"]["S3Uri"]] if request.get("CheckpointConfig") else ()),
        *([request["TensorBoardOutputConfig"]["S3OutputPath"]] if request.get("TensorBoardOutputConfig") else ()),
    ]
    for uri in uris:
        try:
            Location.parse(uri)
        except ValueError:
            yield f'"{uri}" is not a valid S3 location.'
    for member in ("CheckpointConfig", "TensorBoardOutputConfig"):
        path = request.get(member, {}).get("LocalPath", "/opt/ml/checkpoints")
        if not _is_local_path(path):
            yield f"{member}.LocalPath {path!r} is reserved or not an absolute path."


def _is_local_path(path: str) -> bool:
    """Absolute, without steps up, and neither a folder of the contract nor one of the system's."""
    plain = path.rstrip("/")
    parts = plain.split("/")
    steps = parts[0] != "" or len(parts) < 2 or any(part in ("", ".", "..") for part in parts[1:]) or "\0" in path
    closed = any(plain == folder or plain.startswith(f"{folder}/") for folder in CLOSED)
    return not steps and not closed and plain not in RESERVED
