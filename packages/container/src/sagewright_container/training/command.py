"""Which command runs the user's program (rules of AWS's training toolkit)."""

from __future__ import annotations

import sys
from pathlib import Path

from sagewright_container.code import CodeError
from sagewright_container.training.environment import TrainingEnvironment

_TORCH_PORT = 7777


def command(code: Path, environment: TrainingEnvironment) -> list[str]:
    """A package (there is a setup.py) runs as a module, ``.py`` in Python, anything else in a shell. Raises CodeError."""
    program = environment.program or ""
    if environment.platform.get("sagemaker_mpi_enabled") is True:
        raise CodeError("MPI is not available in this image")
    if not (code / program).is_file():
        if not (code / "setup.py").is_file():
            raise CodeError(f"the program {program} is not in the source directory")
        return [sys.executable, "-m", environment.module, *environment.arguments]
    if not program.endswith(".py"):
        return ["/bin/bash", program, *environment.arguments]
    if environment.platform.get("sagemaker_torch_distributed_enabled") is True:
        return [sys.executable, "-m", "torch.distributed.run", *_torch_run(environment), program, *environment.arguments]
    return [sys.executable, program, *environment.arguments]


def runs_here(given: list[str]) -> bool:
    """Whether it is a Python file, which needs no process of its own."""
    return given[0] == sys.executable and given[1] != "-m"


def _torch_run(environment: TrainingEnvironment) -> list[str]:
    """The launcher's options: every host, a process per GPU."""
    cluster = environment.cluster()
    return [
        f"--nnodes={len(cluster['hosts'])}",
        f"--node_rank={sorted(cluster['hosts']).index(cluster['current_host'])}",
        f"--nproc_per_node={environment.gpus() or 1}",
        f"--master_addr={cluster['master_hostname']}",
        f"--master_port={_TORCH_PORT}",
    ]
