"""How a training job ends: 0, or a reason in /opt/ml/output/failure and the exit code of whose fault it is."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from sagewright_algorithms.common import log
from sagewright_algorithms.common.errors import ClientError
from sagewright_container.failure import write_failure
from sagewright_container.layout import Layout

_CLIENT_EXIT, _ALGORITHM_EXIT = 2, 1


def of(layout: Layout, work: Callable[[], None]) -> int:
    """Runs the job's work; the exit code."""
    try:
        work()
    except ClientError as failure:
        return _fail(layout, f"ClientError: {failure}", f"Customer Error: {failure}", _CLIENT_EXIT)
    except MemoryError:
        return _fail(layout, "AlgorithmError: out of memory", "out of memory", _ALGORITHM_EXIT)
    except Exception as failure:  # noqa: BLE001 - the boundary of the job: whatever it is must reach FailureReason
        text = f"Internal Server Error: {type(failure).__name__}: {failure}"
        return _fail(layout, f"AlgorithmError: {text}", f"{text}\n{traceback.format_exc()}", _ALGORITHM_EXIT)
    return 0


def _fail(layout: Layout, reason: str, line: str, code: int) -> int:
    log.error(line)
    write_failure(layout, reason)
    return code
