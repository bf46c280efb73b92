"""Serves a user's inference script (scikit-learn, PyTorch and XGBoost images) or a framework's model without one.

The user's functions are called by one thread per process, so that they need not be thread-safe; another thread keeps the sockets.
``SAGEMAKER_MODEL_SERVER_WORKERS`` asks for more processes, ``SAGEMAKER_MODEL_SERVER_TIMEOUT`` (seconds) for one that is replaced when
a call takes longer; TorchServe's names of them, ``SAGEMAKER_TS_…``, are understood as well. A server of many models is one process.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from sagewright_container.layout import Layout
from sagewright_container.serving import many_models, user_endpoint
from sagewright_container.serving.endpoint import Endpoint
from sagewright_container.serving.listen import serve
from sagewright_container.serving.many_models import ManyModels
from sagewright_container.serving.workers import WorkerDiedError, Workers

_WORKERS = ("SAGEMAKER_MODEL_SERVER_WORKERS", "SAGEMAKER_TS_MAX_WORKERS", "SAGEMAKER_TS_MIN_WORKERS")
_TIMEOUT = ("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", "SAGEMAKER_MODEL_SERVER_TIMEOUT", "SAGEMAKER_TS_RESPONSE_TIMEOUT")


def main() -> int:
    """Serves until SIGTERM; 1 when the script or its model cannot be loaded (the reason is in the log)."""
    if many_models.wanted():
        return _serve(lambda: ManyModels(user_endpoint.opener(Layout.current())))
    workers, patience = max(1, _number(_WORKERS)), _number(_TIMEOUT)
    if workers == 1 and not patience:
        return _serve(lambda: user_endpoint.load(Layout.current(), renewable=True))
    pool = Workers(workers, patience or None)
    try:
        pool.start()
        serve(pool, threads=workers)
    except WorkerDiedError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    finally:
        pool.close()
    return 0


def _number(names: tuple[str, ...]) -> int:
    """The first that is given, 0 without any."""
    return next((int(os.environ[name]) for name in names if os.environ.get(name)), 0)


def _serve(load: Callable[[], Endpoint]) -> int:
    try:
        endpoint = load()
    except Exception:  # noqa: BLE001 - the user's script and model_fn may raise anything
        traceback.print_exc()
        print("Unable to load the model", file=sys.stderr, flush=True)
        return 1
    serve(endpoint, threads=1)
    return 0
