"""The servers a model is usually put behind, each as its documentation sets it up for this many processors and asked in its own format.

``MODEL`` in a peer's variables is the file of an XGBoost model. Where a server leaves a choice (workers, queue), the one that was faster
here on 2 processors is taken (docs/notes/performance.md).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.process import peer, program
from sagewright.settings import free_port

_PROCESSORS = os.cpu_count() or 1
_CSV = "text/csv"
_JSON = "application/json"
_UVICORN = ("uvicorn", "fastapi_app:app", "--port", "{port}", "--log-level", "error", "--no-access-log")
_MLFLOW = ("mlflow", "models", "serve", "-m", "{folder}/model", "-h", "127.0.0.1", "-p", "{port}", "--env-manager", "local")
_GRANIAN = ("granian", "--interface", "rsgi", "--port", "{port}", "--log-level", "error", "granian_app:app")


def _csv(row: list[float]) -> bytes:
    return ",".join(f"{value:.6f}" for value in row).encode() + b"\n"


def _rows(row: list[float]) -> bytes:
    return json.dumps({"rows": [row]}).encode()


def _inputs(row: list[float]) -> bytes:
    return json.dumps({"inputs": [row]}).encode()


def _open_inference(row: list[float]) -> bytes:
    """Of the Open Inference Protocol, version 2."""
    return json.dumps({"inputs": [{"name": "rows", "shape": [1, len(row)], "datatype": "FP32", "data": row}]}).encode()


def _nothing(folder: Path, model: Path) -> dict[str, str]:
    return {}


def _prepare_mlserver(folder: Path, model: Path) -> dict[str, str]:
    (folder / "model.json").write_bytes(model.read_bytes())
    settings = {
        "name": "bench",
        "implementation": "mlserver_xgboost.XGBoostModel",
        "parameters": {"uri": str(folder / "model.json")},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings))
    ports = {name: free_port("127.0.0.1") for name in ("grpc_port", "metrics_port")}
    server = {"host": "127.0.0.1", "debug": False, "metrics_dir": str(folder), **ports}
    (folder / "settings.json").write_text(json.dumps(server))
    return {}


def _prepare_mlflow(folder: Path, model: Path) -> dict[str, str]:
    command = [program("servers", "python"), Path(__file__).with_name("mlflow_model.py"), folder / "model"]
    variables = {**os.environ, "MODEL": str(model), "MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.run(command, env=variables, cwd=folder, check=True, capture_output=True)
    return {"PATH": f"{program('servers', 'python').parent}:{os.environ['PATH']}"}  # it starts uvicorn by name


@dataclass(frozen=True, eq=False)
class ModelServer:
    """One peer; ``{port}`` and ``{folder}`` (one of its own) are filled in. ``prepare`` writes what it needs and may give more variables."""

    name: str
    environment: str
    command: Sequence[str]
    body: Callable[[list[float]], bytes] = _rows
    content_type: str = _JSON
    path: str = "/invocations"
    variables: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Path, Path], Mapping[str, str]] = _nothing
    is_product: bool = True
    """A model server; not a web framework with a model in it."""

    @contextlib.contextmanager
    def running(self, model: Path, row: list[float], expected: float) -> Iterator[str]:
        """Its address, once it predicts what the model does. Raises DoesNotStart."""
        with tempfile.TemporaryDirectory(prefix="peer") as folder:
            variables = {**self.variables, "MODEL": str(model), "HOME": folder, **self.prepare(Path(folder), model)}
            command = [word.replace("{folder}", folder) for word in self.command]
            with peer(
                command, variables, environment=self.environment, answers=lambda url: self._answers(url, row, expected)
            ) as url:
                yield url

    def _answers(self, url: str, row: list[float], expected: float) -> bool:
        request = urllib.request.Request(url + self.path, self.body(row), {"Content-Type": self.content_type})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                found = _predictions(answer.read())
        except OSError:
            return False
        if abs(found[0] - expected) > 1e-4:
            raise RuntimeError(f"{self.name} predicts {found} instead of {expected}")
        return True


def _predictions(answer: bytes) -> list[float]:
    if answer[:1] not in (b"{", b"["):
        return [float(line) for line in answer.split()]
    found = json.loads(answer)
    if isinstance(found, dict):
        found = found["outputs"][0]["data"] if "outputs" in found else found["predictions"]
    return [float(value) for value in found]


FASTAPI = ModelServer("FastAPI", "peers", (*_UVICORN, "--workers", "1"), _csv, _CSV, is_product=False)
GRANIAN = ModelServer("granian", "peers", (*_GRANIAN, "--workers", "1"), _csv, _CSV, is_product=False)
PEERS = (
    FASTAPI,
    ModelServer(f"FastAPI x {_PROCESSORS}", "peers", (*_UVICORN, "--workers", str(_PROCESSORS)), _csv, _CSV, is_product=False),
    GRANIAN,
    ModelServer(
        "MLServer",
        "mlserver",
        ("mlserver", "start", "{folder}"),
        _open_inference,
        path="/v2/models/bench/infer",
        variables={"MLSERVER_HTTP_PORT": "{port}", "MLSERVER_PARALLEL_WORKERS": "0"},
        prepare=_prepare_mlserver,
    ),
    ModelServer("LitServe", "servers", ("python", "litserve_app.py", "{port}"), path="/predict"),
    ModelServer(
        "BentoML",
        "servers",
        ("bentoml", "serve", "bentoml_app:Model", "--host", "127.0.0.1", "--port", "{port}"),
        path="/predict",
        variables={"BENTOML_DO_NOT_TRACK": "True"},
    ),
    ModelServer(
        "Ray Serve",
        "servers",
        ("python", "ray_app.py", "{port}", "{folder}"),
        path="/",
        variables={"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"},
    ),
    ModelServer(
        "MLflow",
        "servers",
        (*_MLFLOW, "--workers", str(_PROCESSORS)),
        _inputs,
        variables={"MLFLOW_DISABLE_TELEMETRY": "true"},
        prepare=_prepare_mlflow,
    ),
)
