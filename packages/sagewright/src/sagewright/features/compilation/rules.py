"""What CreateCompilationJob refuses before anything is written. Pure. AWS's words are known of none of these; they are ours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sagewright.compute.images import resolve
from sagewright.features.compilation.job import TENSORFLOW, artefact, image, inference_image
from sagewright.jobs.refusals import unsupported
from sagewright.kernel.operation import Context
from sagewright.store.rows import Document
from sagewright.wire.errors import validation

_FRAMEWORKS = ("XGBOOST", "SKLEARN", "PYTORCH", "ONNX", *TENSORFLOW)
_NEURON = ("ml_inf1", "ml_inf2", "ml_trn1", "ml_eia2")
_OTHER_FORMATS = ("coreml", "amba_cv2", "amba_cv22", "amba_cv25", "jacinto_tda4vm")


def check(context: Context, request: Document) -> None:
    """Raises Fault (ValidationException) for the first thing that is wrong."""
    for problem in _problems(request, context.world.region):
        raise validation(problem)


def _problems(request: Mapping[str, Any], region: str) -> Iterator[str]:
    output = request["OutputConfig"]
    if "ModelPackageVersionArn" in request:
        yield unsupported("ModelPackageVersionArn")
    if "InputConfig" not in request:
        yield "InputConfig is required."
    given = request["InputConfig"]
    if ("TargetDevice" in output) == ("TargetPlatform" in output):
        yield "Exactly one of TargetDevice and TargetPlatform must be given in OutputConfig."
    yield from _target(output)
    if given["Framework"] not in _FRAMEWORKS:
        yield unsupported(f"Compiling models of {given['Framework']}: {', '.join(_FRAMEWORKS)} are; it")
    for needed in (resolve(image(request)), resolve(inference_image(region, request))):
        if needed.missing or needed.problem:
            yield needed.missing or needed.problem
    yield from _input(given)
    try:
        artefact(request)
    except ValueError as error:
        yield f"OutputConfig.S3OutputLocation is no place in S3: {error}"


def _target(output: Mapping[str, Any]) -> Iterator[str]:
    device = output.get("TargetDevice", "")
    if device in _NEURON:
        yield f"{device} is compiled for by AWS Neuron, which only AWS has."
    if device in _OTHER_FORMATS:
        yield f"{device} wants a format of its vendor's compiler, which is not here. ONNX Runtime's devices are."
    if "CompilerOptions" in output and output["CompilerOptions"].strip() not in ("", "{}", "null"):
        yield unsupported("OutputConfig.CompilerOptions")


def _input(given: Mapping[str, Any]) -> Iterator[str]:
    if not given["S3Uri"].startswith("s3://") or not given["S3Uri"].endswith(".tar.gz"):
        yield "InputConfig.S3Uri must name a .tar.gz archive in S3."
    text = given.get("DataInputConfig", "")
    if not text and given["Framework"] in ("PYTORCH", *TENSORFLOW):
        yield f"DataInputConfig is required for {given['Framework']}: the names and shapes of the model's inputs."
    try:
        shapes = json.loads(text) if text else {}
    except ValueError:
        shapes = None
    if not _are_shapes(shapes):
        yield 'DataInputConfig must be JSON of the form {"input0": [1, 3, 224, 224]} or [[1, 3, 224, 224]].'
    if given["Framework"] in TENSORFLOW and not isinstance(shapes, dict):
        yield f'DataInputConfig of {given["Framework"]} must name its inputs: {{"input": [1, 224, 224, 3]}}.'


def _are_shapes(shapes: Any) -> bool:
    found = list(shapes.values()) if isinstance(shapes, dict) else shapes
    if not isinstance(found, list):
        return False
    plain = [item.get("shape") if isinstance(item, dict) else item for item in found]
    return all(isinstance(shape, list) and all(isinstance(size, int) and size > 0 for size in shape) for shape in plain)
