"""What CreateTrainingJob refuses before anything is written. Pure.

AWS refuses little at this point: most mistakes only show when the job runs. What this version cannot do is refused here, in
words that say so, and never ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sagewright.compute.images import resolve
from sagewright.kernel.operation import Context
from sagewright.objects.s3 import Location
from sagewright.store.rows import Document
from sagewright.wire.errors import validation

Request = Mapping[str, Any]

SERVICE_MANAGED = ("ServerlessJobConfig", "MlflowConfig", "ModelPackageConfig")
RULE_LISTS = ("DebugRuleConfigurations", "ProfilerRuleConfigurations")
RESERVED = ("/opt/ml", "/opt/ml/input", "/opt/ml/model", "/opt/ml/output", "/opt/ml/code", "/opt/ml/processing")
CLOSED = ("/opt/ml/input", "/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr")


def check(_: Context, request: Document) -> None:
    """Raises Fault (ValidationException) for the first thing that is wrong."""
    for rule in (_not_there_yet, _algorithm, _resources, _channels, _locations):
        for problem in rule(request):
            raise validation(problem)


def _not_there_yet(request: Request) -> Iterator[str]:
    for member in SERVICE_MANAGED:
        if request.get(member):
            yield _unsupported(member)
    for member in RULE_LISTS:
        if request.get(member):
            yield _unsupported(f"{member}: rules are not evaluated")
    if request.get("EnableManagedSpotTraining"):
        yield _unsupported("EnableManagedSpotTraining: there is no spot capacity")
    if request.get("RemoteDebugConfig", {}).get("EnableRemoteDebug"):
        yield _unsupported("RemoteDebugConfig")


def _algorithm(request: Request) -> Iterator[str]:
    """API AlgorithmSpecification: exactly one of TrainingImage and AlgorithmName."""
    algorithm = request.get("AlgorithmSpecification")
    if not algorithm:
        yield "AlgorithmSpecification is required."
        return
    if ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
        yield "Specify exactly one of TrainingImage and AlgorithmName in AlgorithmSpecification."
    if "AlgorithmName" in algorithm:
        yield _unsupported("AlgorithmSpecification.AlgorithmName")
    image = resolve(algorithm["TrainingImage"])
    if image.problem:
        yield image.problem
    if image.algorithm and algorithm.get("MetricDefinitions"):  # AWS's words, seen in public logs
        yield (
            "You can't override the metric definitions for Amazon SageMaker algorithms. "
            "Please retry the request without specifying metric definitions."
        )


def _resources(request: Request) -> Iterator[str]:
    resources = request.get("ResourceConfig", {})
    if resources.get("InstanceGroups"):
        yield _unsupported("ResourceConfig.InstanceGroups")
    if "InstanceType" not in resources or "InstanceCount" not in resources:
        yield "InstanceType and InstanceCount are required in ResourceConfig."
    if resources.get("InstanceCount", 1) > 1:
        yield _unsupported("ResourceConfig.InstanceCount greater than 1")
    if resources.get("KeepAlivePeriodInSeconds"):
        yield _unsupported("ResourceConfig.KeepAlivePeriodInSeconds: there are no warm pools")
    for member in ("TrainingPlanArn", "InstancePreferences"):
        if resources.get(member):
            yield _unsupported(f"ResourceConfig.{member}")


def _channels(request: Request) -> Iterator[str]:
    channels = request.get("InputDataConfig", ())
    names = [channel["ChannelName"] for channel in channels]
    if len(set(names)) < len(names):
        yield "Channel names in InputDataConfig must be unique."
    for channel in channels:
        mode = channel.get("InputMode", request["AlgorithmSpecification"]["TrainingInputMode"])
        yield from (f"Channel {channel['ChannelName']}: {problem}" for problem in _channel(channel, mode))


def _channel(channel: Request, mode: str) -> Iterator[str]:
    if channel["ChannelName"] in (".", ".."):
        yield "the name cannot be that of a folder."
    if mode != "File":
        yield _unsupported(f"input mode {mode}")
    source = channel["DataSource"].get("S3DataSource")
    if source is None or len(channel["DataSource"]) > 1:
        yield _unsupported("a DataSource other than S3DataSource")
        return
    if source.get("S3DataType", "S3Prefix") not in ("S3Prefix", "ManifestFile"):
        yield f"S3DataType {source['S3DataType']} is only possible in Pipe input mode, which this version does not support."
    if source.get("InstanceGroupNames") or source.get("ModelAccessConfig") or source.get("HubAccessConfig"):
        yield _unsupported("InstanceGroupNames, ModelAccessConfig and HubAccessConfig")
    if channel.get("CompressionType", "None") != "None":
        yield "CompressionType is used only in Pipe input mode."
    if channel.get("RecordWrapperType", "None") != "None":
        yield "RecordWrapperType RecordIO is used only in Pipe input mode."


def _locations(request: Request) -> Iterator[str]:
    uris = [
        request["OutputDataConfig"]["S3OutputPath"],
        *(channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in request.get("InputDataConfig", ())),
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


def _unsupported(what: str) -> str:
    return f"{what} is not supported by this version of Sagewright."
