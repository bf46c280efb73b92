"""How the learning rate falls from epoch to epoch (lr_scheduler_step, lr_scheduler_factor; DG:IC-Hyperparameter)."""

from __future__ import annotations

import re

from sagewright_algorithms.common.errors import ClientError

_STEPS = re.compile(r"[1-9][0-9]*(,[1-9][0-9]*)*")


def steps(text: str, name: str = "lr_scheduler_step") -> tuple[int, ...]:
    """The epochs of "10,20"; none for "". Raises ClientError."""
    if not text:
        return ()
    if not _STEPS.fullmatch(text.replace(" ", "")):
        raise ClientError(
            f"{text!r} does not match '^(([1-9][0-9]*)(,[1-9][0-9]*)*)$': {name} is a list of epochs such as 10,20"
        )
    return tuple(int(part) for part in text.split(","))


def stepped(rate: float, factor: float, steps: tuple[int, ...], epoch: int) -> float:
    """The rate in ``epoch`` (from 0): multiplied by ``factor`` after each of the epochs in ``steps``."""
    return rate * factor ** sum(epoch >= step for step in steps)
