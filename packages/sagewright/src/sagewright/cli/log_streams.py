"""The log of one job or endpoint, read with GetLogEvents as the SDKs do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

_PAUSE = 0.3


class LogStreams:
    """Every stream of ``group`` whose name begins with ``prefix`` ("" means all). ``ended`` tells when no line will come any more."""

    def __init__(self, logs: Any, group: str, prefix: str, ended: Callable[[], bool]) -> None:
        self._logs, self._group, self._prefix, self._ended = logs, group, prefix, ended
        self._tokens: dict[str, str] = {}

    def messages(self, follow: bool) -> Iterator[str]:
        """Every line once; with ``follow`` until the resource has ended and its last line is out."""
        while True:
            ended = not follow or self._ended()
            yield from self._new()
            if ended:
                return
            time.sleep(_PAUSE)

    def _new(self) -> Iterator[str]:
        for stream in self._streams():
            while True:
                token = self._tokens.get(stream)
                given = {"nextToken": token} if token else {}
                page = self._logs.get_log_events(logGroupName=self._group, logStreamName=stream, startFromHead=True, **given)
                yield from (event["message"] for event in page["events"])
                self._tokens[stream] = page["nextForwardToken"]
                if not page["events"]:
                    break

    def _streams(self) -> list[str]:
        prefix = {"logStreamNamePrefix": self._prefix} if self._prefix else {}
        try:
            page = self._logs.describe_log_streams(logGroupName=self._group, **prefix)
        except self._logs.exceptions.ResourceNotFoundException:
            return []  # nothing has been printed yet
        return [stream["logStreamName"] for stream in page["logStreams"]]
