"""The form of vLLM's server, for where its own cannot run (own_vllm.py)."""

from __future__ import annotations

import json

from sagewright_container.serving.message import Request, Response
from sagewright_container.text_generation.chat import OpenAi, Style
from sagewright_container.text_generation.fields import Fields
from sagewright_container.text_generation.model import TextModel
from sagewright_container.text_generation.parameters import Refusal

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
