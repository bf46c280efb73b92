"""Adapters of one model: loaded and unloaded on demand while the base model goes on answering.

The routes are those that SageMaker calls in the containers of base inference components (github.com/aws/model-hosting-container-standards):
``POST /adapters {"name", "src"}`` loads, ``DELETE /adapters/{name}`` unloads, and X-Amzn-SageMaker-Adapter-Identifier of a request to
/invocations names the one that answers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

from sagewright_container.serving.message import Request, Response

IDENTIFIER = "x-amzn-sagemaker-adapter-identifier"
ALIAS = "x-amzn-sagemaker-adapter-alias"
LOAD, UNLOAD = "load_adapter", "unload_adapter"
_PATH = "/adapters"


@runtime_checkable
class TakesAdapters(Protocol):
    """An endpoint whose model can be adapted; ``invoke`` also gets the questions of this module."""

    def takes_adapters(self) -> bool:
        """Whether it was started so."""

    def invoke(self, requests: list[Request]) -> list[Response]:
        """See Endpoint."""


def question(method: str, path: str, request: Request) -> Request | None:
    """What is asked of an endpoint's adapters; None when nothing of that kind is."""
    if method == "POST" and path == _PATH:
        return replace(request, operation=LOAD)
    name = path.removeprefix(f"{_PATH}/")
    if method == "DELETE" and name and name != path and "/" not in name:
        return replace(request, operation=UNLOAD, adapter=name)
    return None
