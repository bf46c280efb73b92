"""vLLM's images: its own server where it is installed and a GPU is visible, else the same OpenAI form on transformers."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sagewright_container.serving.message import Request, Response
from sagewright_container.text_generation.chat import OpenAi, Style
from sagewright_container.text_generation.configuration import Configuration
from sagewright_container.text_generation.fields import Fields
from sagewright_container.text_generation.model import TextModel
from sagewright_container.text_generation.parameters import Refusal

_VARIABLE = "SM_VLLM_"
_STATUS = {
    "generation": (500, "InternalServerError"),
    "overloaded": (503, "ServiceUnavailableError"),
    "unknown": (404, "NotFoundError"),
}


class Vllm:
    """Answers /invocations: ``messages`` or ``prompt``."""

    def __init__(self, model: TextModel) -> None:
        self._chat = OpenAi(model, Style(self.error))

    def answer(self, request: Request) -> Response:
        """Raises Refusal."""
        fields = Fields.parse(request.body)
        if "messages" in fields:
            return self._chat.chat(fields)
        if "prompt" in fields:
            return self._chat.completions(fields)
        raise Refusal("malformed", "Cannot find suitable handler for request. Expected `messages` or `prompt`.")

    def refused(self, refusal: Refusal) -> Response:
        """vLLM's error document."""
        status, _ = _STATUS.get(refusal.kind, (400, ""))
        return Response(status, json.dumps(self.error(refusal)).encode(), "application/json")

    def error(self, refusal: Refusal) -> dict[str, object]:
        """OpenAI's error document."""
        status, kind = _STATUS.get(refusal.kind, (400, "BadRequestError"))
        text = "Model is overloaded" if refusal.kind == "overloaded" else str(refusal)
        return {"error": {"message": text, "type": kind, "param": None, "code": status}}


def own_server(configuration: Configuration, environment: Mapping[str, str] = os.environ) -> list[str]:
    """The command of vLLM's server, which answers /ping and /invocations itself; empty where it cannot run."""
    if importlib.util.find_spec("vllm") is None or not any(Path("/dev").glob("nvidia[0-9]*")):
        return []
    address = environment.get("SAGEWRIGHT_BIND_ADDRESS", "127.0.0.1")
    port = environment.get("SAGEMAKER_BIND_TO_PORT") or "8080"
    named = {"--model": configuration.model, "--host": address, "--port": port}
    for name, value in sorted(environment.items()):
        if name.startswith(_VARIABLE):
            named.setdefault("--" + name.removeprefix(_VARIABLE).lower().replace("_", "-"), value)
    words = [word for name, value in named.items() for word in ([name] if value.lower() in ("", "true") else [name, value])]
    return [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *words]
