"""The epochs of a job: on from the newest checkpoint, the best model kept, an end before the last epoch where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sagewright_algorithms.common import log
from sagewright_algorithms.vision.checkpoints import Checkpoints
from sagewright_algorithms.vision.early_stopping import EarlyStopping


class Learner(Protocol):
    """What trains."""

    def epoch(self, number: int) -> float:
        """One epoch over the train channel (from 0), then the score on the validation channel: larger is better."""

    def state(self) -> Mapping[str, Any]:
        """All that the next epoch depends on, for a checkpoint."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """What a checkpoint holds: ``state`` of before, and more."""


class Keeper(Protocol):
    """What is told of the epochs."""

    def better(self, score: float) -> None:
        """The model is better than all before."""

    def passed(self, epochs: int) -> None:
        """So many epochs are done."""


class Epochs:
    """``stopping`` is None where all are wanted; ``measure`` is what log lines call the score."""

    def __init__(self, checkpoints: Checkpoints, stopping: EarlyStopping | None, measure: str) -> None:
        self._checkpoints, self._stopping, self._measure = checkpoints, stopping, measure
        self._best = -1.0

    def run(self, learner: Learner, epochs: int, keeper: Keeper) -> None:
        """To the last of ``epochs``, or until early stopping. Raises ClientError."""
        first, stops = self._resumed(learner)
        for epoch in range(first, 0 if stops else epochs):
            score = learner.epoch(epoch)
            if score > self._best:
                self._best = score
                keeper.better(score)
            stops = self._stopping is not None and self._stopping.should_stop(epoch, score)
            self._checkpoints.save(epoch + 1, {**learner.state(), **self._state(stops)})
            keeper.passed(epoch + 1)
            if stops:
                log.info(f"Early stopping after epoch {epoch}: the best validation {self._measure} is {self._best}")
                return

    def _resumed(self, learner: Learner) -> tuple[int, bool]:
        """The epochs that are done, and whether there are to be no more."""
        found = self._checkpoints.newest()
        if found is None:
            return 0, False
        epochs, state = found
        learner.restore(state)
        self._best = state["best"]
        if self._stopping is not None:
            self._stopping.best, self._stopping.waited = state["stopping"]
        log.info(f"Resuming training from the checkpoint after {epochs} epochs")
        return epochs, bool(state["stopped"])

    def _state(self, stopped: bool) -> dict[str, Any]:
        waited = (self._stopping.best, self._stopping.waited) if self._stopping is not None else (None, 0)
        return {"best": self._best, "stopping": waited, "stopped": stopped}
