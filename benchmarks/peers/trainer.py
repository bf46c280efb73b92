"""Starts peers/trainers.py in .clients/trainers and asks it to train."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType

_PYTHON = Path(__file__).parents[2] / ".clients" / "trainers" / "bin" / "python"


class Trainer:
    """One process for all; it forks for each job. Without the environment (`make bench` builds it) nothing can be compared."""

    def __enter__(self) -> Trainer:
        self._process = subprocess.Popen(
            [_PYTHON, "-W", "ignore", Path(__file__).with_name("trainers.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},  # as here: threads that wait do not spin
        )
        self._answer()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate(timeout=20)

    def run(self, name: str, data: Path, model: Path) -> None:
        """Raises RuntimeError when it failed."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, str(data), str(model)]) + "\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> None:
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        if said != "0":
            raise RuntimeError(f"peers/trainers.py says {said!r}")
