"""What CreateOptimizationJob refuses before anything is written. Pure. AWS's words are known of none of these; they are ours.

Which techniques go together is what the SDKs check before they ask (sagemaker.serve.validations.optimization).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sagewright.compute.images import resolve
from sagewright.compute.refusals import NEURON
from sagewright.features.optimization import job
from sagewright.jobs.refusals import unsupported
from sagewright.kernel.operation import Context
from sagewright.store.rows import Document
from sagewright.wire.errors import validation

_MOST_SHARDS = 64
_SERVERS = ("lmi", "tgi", "vllm")


def check(_: Context, request: Document) -> None:
    """Raises Fault (ValidationException) for the first thing that is wrong."""
    for problem in _problems(request):
        raise validation(problem)


def _problems(request: Mapping[str, Any]) -> Iterator[str]:
    source, output = request["ModelSource"], request["OutputConfig"]
    if len(source) != 1:
        yield "Exactly one of S3 and SageMakerModel must be given in ModelSource."
    if "S3" in source and not source["S3"].get("S3Uri", "").startswith("s3://"):
        yield "ModelSource.S3.S3Uri must name a model in S3."
    if "SageMakerModel" in source and not source["SageMakerModel"].get("ModelName"):
        yield "ModelSource.SageMakerModel.ModelName is required."
    if "SageMakerModel" in output:
        yield unsupported("OutputConfig.SageMakerModel")
    if request.get("TrainingPlanArns"):
        yield unsupported("TrainingPlanArns")
    yield from _techniques(request)
    yield from _images(request)
    try:
        job.target(request)
    except ValueError as error:
        yield f"OutputConfig.S3OutputLocation is no place in S3: {error}"


def _techniques(request: Mapping[str, Any]) -> Iterator[str]:
    found, instance_type = job.techniques(request), request["DeploymentInstanceType"]
    if not found:
        yield "OptimizationConfigs must name at least one technique."
    if len(found) != len(set(found)):
        yield "Each technique can be given once in OptimizationConfigs."
    if "Sharding" in found and len(found) > 1:
        yield "ModelShardingConfig is mutually exclusive and cannot be combined with any other optimization."
    if instance_type.startswith(("ml.inf", "ml.trn")):
        yield f"Models cannot be optimized for {instance_type}: {NEURON}"
    if "Compilation" in found:
        yield f"{unsupported('ModelCompilationConfig')} TensorRT-LLM and AWS Neuron, which compile on AWS, are not here."
    if "SpeculativeDecoding" in found:
        yield f"{unsupported('ModelSpeculativeDecodingConfig')} No EAGLE heads are trained here."
    yield from _options(found, job.environment(request))


def _options(found: list[str], given: Mapping[str, str]) -> Iterator[str]:
    if "Quantization" in found and given.get(job.QUANTIZE) not in job.BITS:
        known, asked = ", ".join(job.BITS), given.get(job.QUANTIZE)
        what = (
            f"{job.QUANTIZE}={asked} is not supported by this version of Sagewright" if asked else f"{job.QUANTIZE} is required"
        )
        yield f"{what}: one of {known} must be given for ModelQuantizationConfig."
    degree = given.get(job.DEGREE, "")
    if "Sharding" in found and not degree:
        yield f"{job.DEGREE} is a required environment variable with ModelShardingConfig."
    if degree and not (degree.isascii() and degree.isdigit() and 1 <= int(degree) <= _MOST_SHARDS):
        yield f"{job.DEGREE} must be a whole number from 1 to {_MOST_SHARDS}."


def _images(request: Mapping[str, Any]) -> Iterator[str]:
    named = job.image("us-east-1", request)
    image = resolve(named)
    if image.problem or image.missing:
        yield image.problem or image.missing
    if image.framework not in _SERVERS:
        yield f"The image {named} does not serve language models; one of LMI, TGI or vLLM does."
