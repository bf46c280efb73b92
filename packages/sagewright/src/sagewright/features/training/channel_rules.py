"""What CreateTrainingJob refuses about InputDataConfig: a channel's name, source, and what its input mode allows. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sagewright.features.training import directories
from sagewright.features.training.channels import FILE, PIPE, mode
from sagewright.jobs.refusals import unsupported

Request = Mapping[str, Any]


def problems(request: Request) -> Iterator[str]:
    """One sentence for each thing that is wrong."""
    channels = request.get("InputDataConfig", ())
    names = [channel["ChannelName"] for channel in channels]
    if len(set(names)) < len(names):
        yield "Channel names in InputDataConfig must be unique."
    yield from _fifos(request)
    if any(map(directories.is_one, channels)) and not request.get("VpcConfig"):  # DG model-access-training-data
        yield "VpcConfig is required for a FileSystemDataSource."
    for channel in channels:
        found = [
            *_source(channel, mode(request, channel)),
            *_receivers(request["ResourceConfig"], channel["DataSource"].get("S3DataSource", {})),
        ]
        yield from (f"Channel {channel['ChannelName']}: {problem}" for problem in found)
        yield from _only_piped(channel, mode(request, channel))


def _fifos(request: Request) -> Iterator[str]:
    """The FIFOs of a channel are called ``<channel>_<epoch>``, where a folder of this name cannot be."""
    channels = request.get("InputDataConfig", ())
    piped = {channel["ChannelName"] for channel in channels if mode(request, channel) == PIPE}
    for channel in channels:
        before, _, epoch = channel["ChannelName"].rpartition("_")
        if before in piped and epoch.isdecimal() and channel["ChannelName"] not in piped:
            yield f"Channel {channel['ChannelName']}: the name is that of a pipe of the channel {before}."


def _source(channel: Request, input_mode: str) -> Iterator[str]:
    if channel["ChannelName"] in (".", ".."):
        yield "the name cannot be that of a folder."
    if len(channel["DataSource"]) > 1:
        yield "specify exactly one of S3DataSource and FileSystemDataSource in DataSource."
        return
    if directories.is_one(channel):
        if input_mode != FILE:
            yield f"a FileSystemDataSource needs the input mode File, got {input_mode} instead."
        return
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        yield unsupported("a DataSource other than S3DataSource and FileSystemDataSource")
        return
    kind = source.get("S3DataType", "S3Prefix")
    if kind not in ("S3Prefix", "ManifestFile", "AugmentedManifestFile"):
        yield unsupported(f"S3DataType {kind}")
    if kind == "ManifestFile" and input_mode == "FastFile":  # DG model-access-training-data
        yield "FastFile input mode supports S3DataType S3Prefix only, got ManifestFile instead."
    if kind == "AugmentedManifestFile" and input_mode != PIPE:  # API S3DataSource
        yield "AugmentedManifestFile can only be used if the Channel's input mode is Pipe."
    if (kind == "AugmentedManifestFile") != bool(source.get("AttributeNames")):
        yield "AttributeNames are required for, and only allowed with, the S3DataType AugmentedManifestFile."
    if source.get("ModelAccessConfig") or source.get("HubAccessConfig"):
        yield unsupported("ModelAccessConfig and HubAccessConfig")


def _only_piped(channel: Request, input_mode: str) -> Iterator[str]:
    """API Channel. AWS's words for the compression were seen in a public report; the other's follow them."""
    if input_mode == PIPE:
        return
    if (given := channel.get("CompressionType", "None")) != "None":
        yield (
            f"Invalid compression type for channel {channel['ChannelName']}: {input_mode} mode only supports NONE, "
            f"got {given} instead"
        )
    if (given := channel.get("RecordWrapperType", "None")) != "None":
        yield (
            f"Invalid record wrapper type for channel {channel['ChannelName']}: {input_mode} mode only supports NONE, "
            f"got {given} instead"
        )


def _receivers(resources: Request, source: Request) -> Iterator[str]:
    """API S3DataSource: InstanceGroupNames are those of the job."""
    known = [group["InstanceGroupName"] for group in resources.get("InstanceGroups", ())]
    for name in source.get("InstanceGroupNames", ()):
        if name not in known:
            yield f"InstanceGroupNames names {name!r}, which is no instance group of ResourceConfig."
