"""The ``context`` that a user's function may take as its last argument (the model server's, as far as scripts use it)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sagewright_container.serving.message import Request

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


class Context:
    """Headers of one request and of its answer. The index that AWS's methods take is always 0: a request at a time."""

    def __init__(self, model_folder: Path, request: Request | None = None) -> None:
        self.system_properties: dict[str, Any] = {"model_dir": str(model_folder), "gpu_id": None, "batch_size": 1}
        self.manifest: dict[str, Any] = {}
        self.response_headers: dict[str, str] = {}
        self.response_content_type: str | None = None
        self.response_status = 200
        self._request = request

    def get_request_header(self, index: int, name: str) -> str | None:
        """A header of the request by name, in any case; None when the caller sent none."""
        return self.get_all_request_header(index).get(name.lower())

    def get_all_request_header(self, index: int) -> dict[str, str]:
        """The headers that reach a container, names in lower case."""
        if self._request is None:
            return {}
        named = {
            "content-type": self._request.content_type,
            "accept": self._request.accept,
            CUSTOM_ATTRIBUTES.lower(): self._request.custom_attributes,
            "x-amzn-sagemaker-inference-id": self._request.inference_id,
        }
        return {name: value for name, value in named.items() if value}

    def get_request_id(self, index: int = 0) -> str:
        """The caller's inference id, or ""."""
        return self._request.inference_id if self._request else ""

    def set_response_header(self, index: int, name: str, value: str) -> None:
        """Only the custom attributes reach the caller of InvokeEndpoint."""
        self.response_headers[name.lower()] = value

    def set_response_content_type(self, index: int, value: str) -> None:
        """Wins over the type that output_fn returns."""
        self.response_content_type = value

    def set_response_status(self, code: int = 200, phrase: str = "", index: int = 0) -> None:
        """The HTTP status of the answer."""
        self.response_status = code

    @property
    def custom_attributes(self) -> str:
        """Those of the answer: set by the script, else the request's, handed back."""
        return self.response_headers.get(CUSTOM_ATTRIBUTES.lower(), self._request.custom_attributes if self._request else "")
