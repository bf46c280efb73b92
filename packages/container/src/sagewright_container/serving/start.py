"""How an algorithm begins to serve, and what it says to batch transform."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from sagewright_container.layout import Layout
from sagewright_container.serving import many_models
from sagewright_container.serving.endpoint import Endpoint
from sagewright_container.serving.listen import serve
from sagewright_container.serving.message import Response

_MAXIMUM_PAYLOAD_MB = 6
_UNLOADABLE = (OSError, ValueError, KeyError)


def serve_model(
    open_endpoint: Callable[[Path], Endpoint], threads: int = 0, problems: tuple[type[Exception], ...] = _UNLOADABLE
) -> int:
    """Serves what it opens in /opt/ml/model until SIGTERM; 1 when it raises one of the ``problems``. ``threads`` as of listen.serve."""
    try:
        endpoint = open_endpoint(Layout.current().model)
    except problems as error:
        print(f"Unable to load model: {error}", file=sys.stderr, flush=True)
        return 1
    serve(endpoint, threads)
    return 0


def serve_models(
    open_endpoint: Callable[[Path], Endpoint], threads: int = 0, problems: tuple[type[Exception], ...] = _UNLOADABLE
) -> int:
    """The same, or many models where the container is to have many."""
    if many_models.wanted():
        serve(many_models.ManyModels(open_endpoint))
        return 0
    return serve_model(open_endpoint, threads, problems)


def execution_parameters(strategy: str = "MULTI_RECORD") -> Response:
    """What batch transform should do unless the request says otherwise, as AWS's containers answer."""
    document = {
        "MaxConcurrentTransforms": os.cpu_count() or 1,
        "BatchStrategy": strategy,
        "MaxPayloadInMB": int(os.environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB") or _MAXIMUM_PAYLOAD_MB),
    }
    return Response(200, json.dumps(document).encode(), "application/json")
