"""The one thread that runs the model: a step of all rows, then at most one new prompt, again and again.

So a prompt that arrives holds up the others for one pass only, and a token is handed over when it is made.
"""

from __future__ import annotations

import threading
import traceback
from collections import deque
from typing import Any

from sagewright_container.text_generation.batch import Batch
from sagewright_container.text_generation.generation import Generation
from sagewright_container.text_generation.lora import Adapters
from sagewright_container.text_generation.parameters import Refusal


class Engine:
    """``rows`` texts at a time at most; what comes beyond waits its turn."""

    def __init__(self, network: Any, rows: int) -> None:
        self.adapters = Adapters(network)
        self._network = network
        self._most = rows
        self._batch = Batch(network)
        self._rows: list[Generation] = []
        self._waiting: deque[Generation] = deque()
        self._arrived = threading.Condition()
        threading.Thread(target=self._run, name="decode", daemon=True).start()

    def submit(self, generation: Generation) -> None:
        """Iterate the generation for its tokens."""
        with self._arrived:
            self._waiting.append(generation)
            self._arrived.notify()

    def _run(self) -> None:
        while True:
            self._admit(self._next())
            if self._rows:
                self._step()

    def _next(self) -> Generation | None:
        """Waits only while there is nothing to decode."""
        with self._arrived:
            while not self._rows and not self._waiting:
                self._arrived.wait()
            return self._waiting.popleft() if self._waiting and len(self._rows) < self._most else None

    def _admit(self, generation: Generation | None) -> None:
        if generation is None or generation.finished:
            return
        try:
            with self.adapters.rows([generation.adapter]):
                logits = self._batch.add(generation.prompt, generation.parameters.scores_prompt)
        except Exception as error:  # noqa: BLE001 - a model's own code may raise anything
            generation.fail(_failure(error))
            return
        self._rows.append(generation)
        _guarded(generation, generation.prompted, logits)
        self._sweep()

    def _step(self) -> None:
        try:
            with self.adapters.rows([row.adapter for row in self._rows]):
                logits = self._batch.step([row.last for row in self._rows])
        except Exception as error:  # noqa: BLE001 - see above; the cache cannot be trusted any more
            failure = _failure(error)
            for row in self._rows:
                row.fail(failure)
            self._rows, self._batch = [], Batch(self._network)
            return
        for row, scores in zip(self._rows, logits):  # noqa: B905 - Python 3.9
            _guarded(row, row.take, scores)
        self._sweep()

    def _sweep(self) -> None:
        going = [place for place, row in enumerate(self._rows) if not row.finished]
        self._batch.keep(going)
        self._rows = [self._rows[place] for place in going]


def _guarded(generation: Generation, take: Any, logits: Any) -> None:
    """A text whose distribution cannot be sampled (NaN) fails alone."""
    try:
        take(logits)
    except Exception as error:  # noqa: BLE001 - see above
        generation.fail(_failure(error))


def _failure(error: Exception) -> Refusal:
    traceback.print_exc()
    return Refusal("generation", str(error).strip() or type(error).__name__)
