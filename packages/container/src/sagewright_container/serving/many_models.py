"""One server, many models: loaded and unloaded on demand, each answered as if it were alone (Developer Guide, mms-container-apis).

``POST /models {"model_name", "url"}`` loads, ``GET /models`` lists, ``GET`` and ``DELETE /models/{name}`` tell and unload,
``POST /models/{name}/invoke`` asks. A model that finds no room is answered 507: the caller unloads another and tries again.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sagewright_container.serving.endpoint import Endpoint
from sagewright_container.serving.message import Request, Response

LOAD, UNLOAD, DESCRIBE, LIST = "load_model", "unload_model", "describe_model", "list_models"
OPERATIONS = frozenset({LOAD, UNLOAD, DESCRIBE, LIST})

_PAGE = os.sysconf("SC_PAGE_SIZE")
_SHARE = 0.5
"""The part of the machine's memory that models may fill when nobody says how much there is."""
_GROWTH = 2
"""A model takes at most about so many times the bytes of its files while it is loaded."""
_LISTED = 1000


def wanted() -> bool:
    """Whether this container is to hold many models (``SAGEMAKER_MULTI_MODEL``)."""
    return os.environ.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true"


class ManyModels:
    """An endpoint of endpoints. ``open_model`` opens the one whose files lie in a folder; ``limit`` is in bytes of this process.

    ``used`` tells how many bytes the process has.
    """

    def __init__(
        self, open_model: Callable[[Path], Endpoint], limit: int | None = None, used: Callable[[], int] | None = None
    ) -> None:
        self._open = open_model
        self._limit = limit or _limit()
        self._used = used or resident
        self._models: dict[str, tuple[Endpoint, str]] = {}

    def invoke(self, requests: list[Request]) -> list[Response]:
        """Requests of one model are answered as one batch; what loads and unloads keeps its place among them."""
        responses: dict[int, Response] = {}
        waiting: dict[str, list[int]] = {}
        for at, request in enumerate(requests):
            if request.operation:
                self._answer(waiting, requests, responses)
                responses[at] = self._operate(request)
            else:
                waiting.setdefault(request.model, []).append(at)
        self._answer(waiting, requests, responses)
        return [responses[at] for at in range(len(requests))]

    def ping(self) -> Response:
        """Healthy without any model."""
        return Response(200)

    def execution_parameters(self) -> Response:
        """Batch transform knows one model only."""
        return Response(404, b"Not Found")

    def _answer(self, waiting: dict[str, list[int]], requests: list[Request], responses: dict[int, Response]) -> None:
        for name, places in waiting.items():
            model = self._models.get(name)
            answers = [_unknown(name)] * len(places) if model is None else model[0].invoke([requests[at] for at in places])
            responses.update(zip(places, answers))  # noqa: B905 - no strict= in Python 3.9
        waiting.clear()

    def _operate(self, request: Request) -> Response:
        if request.operation == LOAD:
            return self._load(request.body)
        if request.operation == LIST:
            return self._list(request.model)
        if request.model not in self._models:
            return _unknown(request.model)
        if request.operation == UNLOAD:
            del self._models[request.model]
            return _json(200, {"modelName": request.model, "status": f'Model "{request.model}" unregistered'})
        return _json(200, _described(request.model, self._models[request.model][1]))

    def _load(self, body: bytes) -> Response:
        try:
            asked = json.loads(body)
            name, url = str(asked["model_name"]), str(asked["url"])
        except (ValueError, TypeError, KeyError):
            return _error(400, 'The body must be {"model_name": …, "url": …}.')
        if name in self._models:
            return _error(409, f"Model {name} is already registered.")
        if self._models and not self._has_room(Path(url)):
            return _error(507, f"There is no memory left for model {name}.")
        try:
            self._models[name] = self._open(Path(url)), url
        except MemoryError:
            return _error(507, f"There is no memory left for model {name}.")
        except Exception as problem:  # noqa: BLE001 - the model is a user's, and so may be its code
            traceback.print_exc()
            print(f"Unable to load model {name}", file=sys.stderr, flush=True)
            return _error(500, f"Unable to load model: {problem}")
        return _json(200, {"status": f'Model "{name}" registered'})

    def _has_room(self, folder: Path) -> bool:
        expected = _GROWTH * sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if self._used() + expected <= self._limit:
            return True
        _give_back()
        return self._used() + expected <= self._limit

    def _list(self, token: str) -> Response:
        names = sorted(name for name in self._models if name > token)
        listed: dict[str, Any] = {"models": [_described(name, self._models[name][1]) for name in names[:_LISTED]]}
        if len(names) > _LISTED:
            listed["nextPageToken"] = names[_LISTED - 1]
        return _json(200, listed)


def question(method: str, path: str, query: str, request: Request) -> Request | None:
    """The request that a path below ``/models`` stands for; None when there is no such way."""
    parts = path.strip("/").split("/")
    if parts == ["models"] and method == "POST":
        return _as(request, LOAD, "")
    if parts == ["models"] and method == "GET":
        return _as(request, LIST, query.partition("next_page_token=")[2].partition("&")[0])
    if len(parts) == 2 and method in ("GET", "DELETE"):
        return _as(request, DESCRIBE if method == "GET" else UNLOAD, parts[1])
    if len(parts) == 3 and parts[2] == "invoke" and method == "POST":
        return _as(request, "", parts[1])
    return None


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def _limit() -> int:
    given = os.environ.get("SAGEWRIGHT_MODEL_MEMORY")
    return int(given) if given else int(_SHARE * _PAGE * os.sysconf("SC_PHYS_PAGES"))


def _give_back() -> None:
    """What unloaded models have left in the allocator goes back to the machine; only glibc has a word for it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _as(request: Request, operation: str, model: str) -> Request:
    return Request(
        request.body,
        request.content_type,
        request.accept,
        request.custom_attributes,
        request.inference_id,
        model,
        operation,
    )


def _described(name: str, url: str) -> dict[str, str]:
    return {"modelName": name, "modelUrl": url}


def _unknown(name: str) -> Response:
    return _error(404, f"Model {name} is not registered.")


def _error(status: int, message: str) -> Response:
    return _json(status, {"code": status, "type": "Error", "message": message})


def _json(status: int, document: dict[str, Any]) -> Response:
    return Response(status, json.dumps(document).encode(), "application/json")
