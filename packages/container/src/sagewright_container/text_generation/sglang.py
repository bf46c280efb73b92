"""SGLang's images: /invocations is its chat completion, and nothing else (http_server.py of sgl-project/sglang, SageMaker API)."""

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


class Sglang:
    """Answers ``messages``."""

    def __init__(self, model: TextModel) -> None:
        self._chat = OpenAi(model, Style(self.error))

    def answer(self, request: Request) -> Response:
        """Raises Refusal."""
        fields = Fields.parse(request.body)
        if "messages" not in fields:
            raise Refusal("malformed", "Field required: `messages`")
        return self._chat.chat(fields)

    def refused(self, refusal: Refusal) -> Response:
        """SGLang's error document."""
        status, _ = _STATUS.get(refusal.kind, (400, ""))
        return Response(status, json.dumps(self.error(refusal)).encode(), "application/json")

    def error(self, refusal: Refusal) -> dict[str, object]:
        """OpenAI's members, not nested as vLLM's are."""
        status, kind = _STATUS.get(refusal.kind, (400, "BadRequestError"))
        text = "The request queue is full." if refusal.kind == "overloaded" else str(refusal)
        return {"object": "error", "message": text, "type": kind, "param": None, "code": status}
