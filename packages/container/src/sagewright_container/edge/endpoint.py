"""The model that a device serves: one at a time, replaced between two requests."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sagewright_container.edge.capture import Capture
from sagewright_container.edge.failure import EdgeError
from sagewright_container.edge.package import Package
from sagewright_container.serving import functions
from sagewright_container.serving.compiled import DEFAULTS
from sagewright_container.serving.handler import UserEndpoint
from sagewright_container.serving.message import Request, Response

_NO_MODEL = b"No model is loaded."


@dataclass(frozen=True)
class Loaded:
    """A verified package whose model answers."""

    package: Package
    model: UserEndpoint


def load(package: Package) -> Loaded:
    """Only the compiled model: a ``code`` folder beside it is not run. Raises EdgeError."""
    try:
        return Loaded(package, UserEndpoint(functions.bind(None, DEFAULTS), package.folder))
    except Exception as error:  # ONNX Runtime raises errors of its own for a graph that it cannot run
        raise EdgeError(f"the model {package.name} {package.version} cannot be loaded: {error}") from error


class EdgeEndpoint:
    """See serving.endpoint.Endpoint. ``use`` may come from another thread: a request sees the old model or the new one."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self.loaded: Loaded | None = None
        self.latest_inference: float | None = None

    def use(self, loaded: Loaded) -> None:
        """From the next request on."""
        self.loaded, self.latest_inference = loaded, None

    def invoke(self, requests: list[Request]) -> list[Response]:
        """Answers that are captured are whole: this model streams nothing."""
        loaded = self.loaded
        if loaded is None:
            return [Response(503, _NO_MODEL) for _ in requests]
        answers = loaded.model.invoke(requests)
        self.latest_inference = time.time()
        for request, answer in zip(requests, answers):  # noqa: B905 - Python 3.9
            if answer.status == 200:
                self._capture.take(request, answer)
        return answers

    def ping(self) -> Response:
        """200 once a model is loaded."""
        return Response(200) if self.loaded is not None else Response(503, _NO_MODEL)

    def execution_parameters(self) -> Response:
        """A device has no batch transform."""
        return Response(404, b"Not Found")

    def report(self, latest_sample: float | None) -> list[dict[str, Any]]:
        """Models as SendHeartbeat wants them, which has no name of fewer than four characters."""
        if self.loaded is None or len(self.loaded.package.name) < 4:
            return []
        times = {"LatestInference": self.latest_inference, "LatestSampleTime": latest_sample}
        known = {name: value for name, value in times.items() if value is not None}
        return [{"ModelName": self.loaded.package.name, "ModelVersion": self.loaded.package.version, **known}]
