"""Distributed training of a script: one host is simply run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def rabit_run(
    exec_fun: Callable[..., Any],
    args: dict[str, Any],
    include_in_training: bool,
    hosts: Sequence[str],
    current_host: str,
    first_port: int | None = None,
    second_port: int | None = None,
    **options: Any,
) -> None:
    """Calls ``exec_fun(**args, is_master=True)``. Raises NotImplementedError for several hosts."""
    if len(hosts) > 1:
        raise NotImplementedError("training on several instances is not available")
    if include_in_training:
        exec_fun(**args, is_master=True)
