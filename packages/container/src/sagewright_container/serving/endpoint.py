"""What stands behind the server: a loaded model that answers batches."""

from __future__ import annotations

from typing import Protocol

from sagewright_container.serving.message import Request, Response


class Endpoint(Protocol):
    """A model that is ready. None of these may raise: an error is a Response."""

    def invoke(self, requests: list[Request]) -> list[Response]:
        """Answers in the order of the requests; one bad request must not spoil the others."""

    def ping(self) -> Response:
        """200 while the model can answer."""

    def execution_parameters(self) -> Response:
        """The JSON of GET /execution-parameters, which steers batch transform; 404 when the container has no opinion."""
