"""Which command runs the user's program (rules of AWS's training toolkit)."""

from __future__ import annotations

import sys
from pathlib import Path

from sagewright_container.errors import ClientError, CodeError
from sagewright_container.training import distribution, mpi
from sagewright_container.training.environment import TrainingEnvironment


def command(code: Path, environment: TrainingEnvironment) -> list[str]:
    """The user's program, started by what the SDK's ``distribution=`` asks for. Raises CodeError."""
    words = _program(code, environment)
    return mpi.command(environment, words) if distribution.uses_mpi(environment) else words


def runs_here(given: list[str]) -> bool:
    """Whether it is a Python file, which needs no process of its own."""
    return given[0] == sys.executable and given[1] not in ("-m", "-c")


def _program(code: Path, environment: TrainingEnvironment) -> list[str]:
    """A package (there is a setup.py) runs as a module, ``.py`` in Python, anything else in a shell."""
    program = environment.program or ""
    launcher = distribution.launcher(environment)
    if not (code / program).is_file():
        if not (code / "setup.py").is_file():
            raise CodeError(f"the program {program} is not in the source directory")
        if launcher:
            raise ClientError(
                "Python packages are not supported for torch_distributed. Please use a python script as the entry-point"
            )
        return [sys.executable, "-m", environment.module, *environment.arguments]
    if not program.endswith(".py"):
        if launcher:
            raise ClientError("Unsupported entry point type for torch_distributed")
        return ["/bin/bash", program, *environment.arguments]
    return [sys.executable, *launcher, program, *environment.arguments]
