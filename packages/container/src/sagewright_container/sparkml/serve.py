"""Serves the MLeap bundle of a model archive, unpacked as AWS's guide has it: ``bundle.json`` and ``root`` at its top."""

from __future__ import annotations

import json
import os
import sys

from sagewright_container.layout import Layout
from sagewright_container.serving.listen import serve
from sagewright_container.sparkml.bundle import BundleError, read_bundle
from sagewright_container.sparkml.endpoint import SparkEndpoint
from sagewright_container.sparkml.pipeline import build
from sagewright_container.sparkml.schema import Schema

VARIABLE = "SAGEMAKER_SPARKML_SCHEMA"


def main() -> int:
    """Serves until SIGTERM; 1 when the bundle cannot be read or has a stage that is not known (the reason is in the log)."""
    try:
        endpoint = load(Layout.current())
    except BundleError as error:
        print(f"Unable to load the model: {error}", file=sys.stderr, flush=True)
        return 1
    serve(endpoint)
    return 0


def load(layout: Layout) -> SparkEndpoint:
    """Raises BundleError."""
    stages = build(read_bundle(layout.model))
    text = os.environ.get(VARIABLE, "")
    try:
        return SparkEndpoint(stages, Schema.of(json.loads(text)) if text else None)
    except ValueError as error:
        raise BundleError(f"{VARIABLE} holds no schema: {error}") from error
