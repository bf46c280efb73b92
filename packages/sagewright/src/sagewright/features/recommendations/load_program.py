"""The process that calls an endpoint as its users do: signed requests through the front, one connection and one call at a time each.

One JSON document comes in as a line (loader.py), one goes out: what was measured, or ``problem``. When stdin ends, whoever started the
process is gone, and so is it.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sagewright.features.recommendations import traffic
from sagewright.features.recommendations.statistics import Conditions, Stage, best, enough
from sagewright.features.recommendations.traffic import Phase
from sagewright.wire.http import Request
from sagewright.wire.sigv4 import sign

WINDOW_SECONDS = 1.0
ANSWER_SECONDS = 70.0
"""An endpoint's own limit is 60 s."""
NOT_ANSWERED = "ClientError: The endpoint answered {status} to a sample payload: {text}"
ALL_FAILED = "ClientError: No call was without errors while the endpoint was under load: {text}"
_SHOWN = 300


class Caller:
    """One user's connection."""

    def __init__(self, task: dict[str, Any], payloads: Sequence[bytes]) -> None:
        self._task = task
        self._payloads = payloads
        self._host = urlsplit(task["url"]).netloc
        self._connection = http.client.HTTPConnection(self._host, timeout=ANSWER_SECONDS)

    def call(self, number: int) -> tuple[float, int, str]:
        """Milliseconds, status (0: no answer), and the text of a refusal. The signature is made before the time runs."""
        path, body = f"/endpoints/{self._task['endpoint']}/invocations", self._payloads[number % len(self._payloads)]
        headers = self._headers(path, body)
        begin = time.perf_counter()
        try:
            self._connection.request("POST", path, body, headers)
            answer = self._connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return (time.perf_counter() - begin) * 1000, 0, repr(error)
        said = "" if answer.status == 200 else text[:_SHOWN].decode(errors="replace")
        return (time.perf_counter() - begin) * 1000, answer.status, said

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def _headers(self, path: str, body: bytes) -> dict[str, str]:
        task, headers = self._task, {"host": self._host}
        if task["content_type"]:
            headers["content-type"] = task["content_type"]
        request = Request("POST", path, "", headers, body)
        return sign(request, task["access_key"], task["secret"], task["region"], "sagemaker", task["token"])


class Users:
    """Threads that call without a pause; ``set`` says how many."""

    def __init__(self, task: dict[str, Any], payloads: Sequence[bytes]) -> None:
        self._task = task
        self._payloads = payloads
        self._wanted = 0
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._latencies: list[float] = []
        self._errors = 0
        self.problem = ""

    def set(self, wanted: int) -> None:
        """Those that are too many end with their call."""
        self._wanted = wanted
        self._threads = [thread for thread in self._threads if thread.is_alive()][: max(wanted, 0)]
        while len(self._threads) < wanted:
            thread = threading.Thread(target=self._call, args=(len(self._threads),), daemon=True)
            self._threads.append(thread)
            thread.start()

    def take(self) -> tuple[tuple[float, ...], int]:
        """What was measured since the last time."""
        with self._lock:
            found, errors = tuple(self._latencies), self._errors
            self._latencies, self._errors = [], 0
        return found, errors

    def _call(self, index: int) -> None:
        caller, number = Caller(self._task, self._payloads), index
        while index < self._wanted:
            milliseconds, status, text = caller.call(number)
            number += 1
            with self._lock:
                if status == 200:
                    self._latencies.append(milliseconds)
                else:
                    self._errors += 1
                    self.problem = f"{status} {text}"
        caller.close()


def run(task: dict[str, Any]) -> dict[str, Any]:
    """The whole test."""
    payloads = [Path(file).read_bytes() for file in task["payloads"]]
    problem = _first_calls(task, payloads)
    if problem:
        return {"problem": problem}
    phases = [Phase(*phase) for phase in task["phases"]]
    conditions = Conditions(*task["conditions"])
    began, users = time.time(), Users(task, payloads)
    windows, why = _measure(phases, conditions, users)
    found = best(windows, conditions)
    if found is None:
        return {"problem": ALL_FAILED.format(text=users.problem)}
    return {
        "MaxInvocations": int(found.rate),
        "ModelLatency": found.latency(conditions.percent),
        "Users": found.users,
        "Reason": why,
        "Began": began,
        "Ended": time.time(),
    }


def _first_calls(task: dict[str, Any], payloads: Sequence[bytes]) -> str:
    """Every payload once: what cannot be answered at all needs no load. These calls warm the endpoint and are not counted."""
    caller = Caller(task, payloads)
    for number in range(len(payloads)):
        _, status, text = caller.call(number)
        if status != 200:
            return NOT_ANSWERED.format(status=status or "nothing", text=text)
    caller.close()
    return ""


def _measure(phases: Sequence[Phase], conditions: Conditions, users: Users) -> tuple[list[Stage], str]:
    windows: list[Stage] = []
    begin = time.monotonic()
    elapsed = 0.0
    while (wanted := traffic.users_at(phases, elapsed)) > 0:
        users.set(wanted)
        length = min(WINDOW_SECONDS, *(phase.seconds for phase in phases))
        time.sleep(max(0.0, elapsed + length - (time.monotonic() - begin)))
        now = time.monotonic() - begin
        latencies, errors = users.take()
        windows.append(Stage(wanted, now - elapsed, latencies, errors))
        elapsed = now
        reason = enough(windows, conditions, traffic.users_at(phases, elapsed) != wanted)
        if reason:
            break
    else:
        reason = ""
    users.set(0)
    return windows, reason


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    """See the module docstring."""
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout.write(json.dumps(run(task)) + "\n")
    sys.stdout.flush()
    os._exit(0)  # threads in a call, or at stdin, are not waited for


if __name__ == "__main__":
    main()
