"""What an optimization job asks for, read from its request: technique, source, container, the image that serves the result. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.compute.images import Image
from sagewright.jobs.launch import Program
from sagewright.objects.s3 import Location
from sagewright.store.rows import Resource

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.36.0-lmi27.0.0-cu130"
"""What optimizes is in the image that serves the result."""
TECHNIQUES = {
    "ModelQuantizationConfig": "Quantization",
    "ModelCompilationConfig": "Compilation",
    "ModelShardingConfig": "Sharding",
    "ModelSpeculativeDecodingConfig": "SpeculativeDecoding",
}
"""OptimizationTypes of a summary, by the member that asks for one (API ListOptimizationJobs: OptimizationContains)."""
BITS = {"int8": 8, "smoothquant": 8, "int4": 4, "awq": 4}
"""By OPTION_QUANTIZE, an option of LMI."""
QUANTIZE = "OPTION_QUANTIZE"
DEGREE = "OPTION_TENSOR_PARALLEL_DEGREE"
GRACE_SECONDS = 10.0
"""Between SIGTERM and SIGKILL: a half-written checkpoint is worth nothing."""
_DEFAULT_MAX_RUNTIME = 36000  # of the SDKs' optimize(max_runtime_in_sec=…)
_TRUSTS = "OPTION_TRUST_REMOTE_CODE"


def program(resource: Resource) -> Program:
    """For jobs.launch. A model may bring code of its own: the container has no network."""
    return Program(
        image_uri=IMAGE,
        command=_command,
        environment=dict,
        isolated=True,
        seconds=max_runtime(resource.spec) + GRACE_SECONDS,
    )


def max_runtime(spec: Mapping[str, Any]) -> float:
    """Seconds."""
    return float(spec.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DEFAULT_MAX_RUNTIME))


def techniques(spec: Mapping[str, Any]) -> list[str]:
    """What the configurations ask for, in their order."""
    return [TECHNIQUES[member] for config in spec["OptimizationConfigs"] for member in config]


def environment(spec: Mapping[str, Any]) -> dict[str, str]:
    """OptimizationEnvironment, and over it what each technique overrides."""
    found = dict(spec.get("OptimizationEnvironment", {}))
    for settings in _settings(spec):
        found.update(settings.get("OverrideEnvironment", {}))
    return found


def image(region: str, spec: Mapping[str, Any]) -> str:
    """RecommendedInferenceImage: the one that the request names, else LMI's."""
    named = [settings["Image"] for settings in _settings(spec) if "Image" in settings]
    return str(named[0]) if named else IMAGE.replace("us-east-1", region)


def source(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The model in S3 as a ContainerDefinition names it; empty where a SageMaker model is named."""
    uri = spec["ModelSource"].get("S3", {}).get("S3Uri", "")
    if not uri:
        return {}
    if uri.endswith(".tar.gz"):
        return {"ModelDataUrl": uri}
    return {
        "ModelDataSource": {
            "S3DataSource": {"S3Uri": f"{uri.rstrip('/')}/", "S3DataType": "S3Prefix", "CompressionType": "None"}
        }
    }


def target(spec: Mapping[str, Any]) -> Location:
    """The prefix of the optimized model's files. Raises ValueError."""
    return Location.parse(spec["OutputConfig"]["S3OutputLocation"])


def task(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What the container finds as /opt/ml/input/config/optimizationjob.json."""
    given = environment(spec)
    return {
        "Technique": techniques(spec)[0],
        "Bits": BITS.get(given.get(QUANTIZE, ""), 0),
        "Shards": int(given.get(DEGREE, 1)),
        "TrustsCode": given.get(_TRUSTS, "").lower() in ("1", "true"),
    }


def _settings(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [settings for config in spec["OptimizationConfigs"] for settings in config.values()]


def _command(image: Image, python: str) -> tuple[str, ...]:
    return (python, "-m", "sagewright_container", "optimize")
