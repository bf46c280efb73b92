"""The adapters that a text endpoint holds: each is a model of its own that shares the base model's network and batch."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

from sagewright_container.serving.adapters import LOAD
from sagewright_container.serving.message import Request, Response
from sagewright_container.text_generation.endpoint import Dialect
from sagewright_container.text_generation.lora import AdapterError, Lora, read
from sagewright_container.text_generation.model import TextModel
from sagewright_container.text_generation.parameters import Refusal


class Shelf:
    """Loads and unloads; ``dialect`` makes the one that answers for a model. Whatever runs keeps the adapter it began with."""

    def __init__(self, model: TextModel, dialect: Callable[[TextModel], Dialect], most: int) -> None:
        self._model = model
        self._dialect = dialect
        self._most = most
        self._held: dict[str, tuple[str, Lora]] = {}
        self._lock = threading.Lock()

    def find(self, name: str, alias: str) -> Dialect:
        """Raises Refusal."""
        held = self._held.get(name)
        if held is None:
            raise Refusal("unknown", f"The model `{alias or name}` does not exist.")
        return self._dialect(self._model.adapted(alias or name, held[1]))

    def operate(self, request: Request) -> Response:
        """Answers what serving/adapters.py asks; the same question twice is answered alike."""
        with self._lock:
            try:
                return self._load(request) if request.operation == LOAD else self._unload(request.adapter)
            except AdapterError as error:
                return Response(400, str(error).encode())

    def _load(self, request: Request) -> Response:
        try:
            asked = json.loads(request.body)
            name, source = asked["name"], asked["src"]
        except (ValueError, TypeError, KeyError):
            name = source = None
        if not (isinstance(name, str) and name and "/" not in name and isinstance(source, str) and source):
            raise AdapterError("An adapter is loaded by its name and src.")
        if self._held.get(name, ("",))[0] != source:
            lora = read(Path(source), self._model.network, self._most)
            self._model.adapters.fit(lora)
            self._held[name] = (source, lora)
            print(f"Adapter {name}: {len(lora.pairs)} modules", flush=True)
        return Response(200, f"Adapter {name} registered".encode())

    def _unload(self, name: str) -> Response:
        if self._held.pop(name, None) is None:
            return Response(404, f"The adapter {name} was not found".encode())
        return Response(200, f"Adapter {name} unregistered".encode())
