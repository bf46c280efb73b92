"""Amazon EC2: what the instance types have that SageMaker offers. ModelBuilder of both SDKs asks it for GPUs before it deploys or
optimizes a language model.

A type is EC2's where its name without ``ml.`` is: ``ml.g5.xlarge`` runs on ``g5.xlarge``. vCPUs, memory and GPUs are those that jobs and
endpoints here go by (``compute/placement.py``); network, disks, processors and the like are not told.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from sagewright.compute.placement import size
from sagewright.kernel.operation import Context
from sagewright.neighbours.requests import Handlers, make_marker, read_marker, refuse
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault
from sagewright.wire.model import StringShape, service_model

_ENUMERATIONS = ("ProductionVariantInstanceType", "TrainingInstanceType", "ProcessingInstanceType", "TransformInstanceType")
_MOST = 100
_MIB = 1024**2


class _Gpu(NamedTuple):
    """``memory`` is one GPU's, in MiB."""

    name: str
    memory: int


_GPUS = {
    "p2": _Gpu("K80", 12288),
    "p3": _Gpu("V100", 16384),
    "p3dn": _Gpu("V100", 32768),
    "p4d": _Gpu("A100", 40960),
    "p4de": _Gpu("A100", 81920),
    "p5": _Gpu("H100", 81920),
    "p5e": _Gpu("H200", 144384),
    "p5en": _Gpu("H200", 144384),
    "g4dn": _Gpu("T4", 16384),
    "g5": _Gpu("A10G", 24576),
    "g6": _Gpu("L4", 24576),
    "gr6": _Gpu("L4", 24576),
    "g6e": _Gpu("L40S", 49152),
}
"""NVIDIA's GPUs by family, with the memory of the card. From the EC2 pages on accelerated instances; of newer families it is not told."""


class Ec2:
    """The operations of service ``ec2``."""

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {"DescribeInstanceTypes": self.describe_instance_types}

    async def describe_instance_types(self, context: Context, request: Document) -> Document:
        """Those that are named, or all by name."""
        refuse(request, "InvalidParameterValue", "Filters")
        if request.get("DryRun"):
            raise Fault("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        named = request.get("InstanceTypes") or []
        if not named:
            return _page(request)
        if "MaxResults" in request or "NextToken" in request:
            raise Fault("InvalidParameterCombination", "You cannot specify instance types and page through them.")
        unknown = sorted(set(named) - set(_types()))
        if unknown:
            raise Fault("InvalidInstanceType", f"The following supplied instance types do not exist: [{', '.join(unknown)}]")
        return {"InstanceTypes": [_described(name) for name in dict.fromkeys(named)]}


def _page(request: Document) -> Document:
    names = _types()
    if "NextToken" in request:
        (last,) = read_marker(request["NextToken"], 1, Fault("InvalidNextToken", "The token is not valid."))
        names = [name for name in names if name > last]
    page = names[: request.get("MaxResults", _MOST)]
    rest = {"NextToken": make_marker([page[-1]])} if len(page) < len(names) else {}
    return {"InstanceTypes": [_described(name) for name in page], **rest}


@cache
def _types() -> list[str]:
    """EC2's names of what SageMaker offers, sorted."""
    model = service_model("sagemaker")
    shapes = [model.shape_for(name) for name in _ENUMERATIONS]
    offered = {value for shape in shapes if isinstance(shape, StringShape) for value in shape.enum}
    return sorted(name.removeprefix("ml.") for name in offered if name.startswith("ml."))


def _described(name: str) -> Document:
    has, gpu = size(f"ml.{name}"), _GPUS.get(name.partition(".")[0])
    found: Document = {
        "InstanceType": name,
        "VCpuInfo": {"DefaultVCpus": has.cpus},
        "MemoryInfo": {"SizeInMiB": has.memory // _MIB},
    }
    if gpu is None or not has.gpus:
        return found
    one: Document = {"Name": gpu.name, "Manufacturer": "NVIDIA", "Count": has.gpus, "MemoryInfo": {"SizeInMiB": gpu.memory}}
    return {**found, "GpuInfo": {"Gpus": [one], "TotalGpuMemoryInMiB": gpu.memory * has.gpus}}
