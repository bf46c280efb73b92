"""Samples of what was asked and answered, on their way to the fleet's S3 prefix: off the request path, bounded, dropped and counted when full."""

from __future__ import annotations

import base64
import json
import queue
import random
import time
import uuid
from typing import Any

from sagewright_container.serving.message import Request, Response

_WAITING = 1000
_BATCH = 500


class Capture:
    """``percent`` of the requests, 0 to 100; lines of JSON as an endpoint's data capture writes them."""

    def __init__(self, percent: float) -> None:
        self._share = percent / 100
        self._samples: queue.Queue[dict[str, Any]] = queue.Queue(_WAITING)
        self._random = random.Random()
        self.dropped = 0

    def take(self, request: Request, response: Response) -> None:
        """Never waits."""
        if self._random.random() >= self._share or not isinstance(response.body, bytes):
            return
        try:
            self._samples.put_nowait(_sample(request, response.body, response.content_type))
        except queue.Full:
            self.dropped += 1

    def batch(self) -> list[dict[str, Any]]:
        """The oldest samples, taken out."""
        found: list[dict[str, Any]] = []
        while len(found) < _BATCH:
            try:
                found.append(self._samples.get_nowait())
            except queue.Empty:
                break
        return found

    def put_back(self, samples: list[dict[str, Any]]) -> None:
        """Of an upload that did not succeed; what has no room any more is dropped."""
        for sample in samples:
            try:
                self._samples.put_nowait(sample)
            except queue.Full:
                self.dropped += 1


def place(prefix: str, device: str, model: str) -> str:
    """``<prefix>/<device>/<model>/yyyy/mm/dd/hh/<uuid>.jsonl``, in UTC."""
    hour = time.strftime("%Y/%m/%d/%H", time.gmtime())
    return f"{prefix.rstrip('/')}/{device}/{model}/{hour}/{uuid.uuid4()}.jsonl"


def lines(samples: list[dict[str, Any]]) -> bytes:
    """A file's content."""
    return b"".join(json.dumps(sample).encode() + b"\n" for sample in samples)


def _sample(request: Request, answer: bytes, answered_as: str) -> dict[str, Any]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "captureData": {
            "endpointInput": _side("INPUT", request.body, request.content_type),
            "endpointOutput": _side("OUTPUT", answer, answered_as),
        },
        "eventMetadata": {"eventId": str(uuid.uuid4()), "inferenceTime": now},
        "eventVersion": "0",
    }


def _side(mode: str, body: bytes, content_type: str) -> dict[str, str]:
    try:
        data, encoding = body.decode("utf-8"), "JSON" if "json" in content_type else "CSV" if "csv" in content_type else "TEXT"
    except UnicodeDecodeError:
        data, encoding = base64.b64encode(body).decode(), "BASE64"
    return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": encoding}
