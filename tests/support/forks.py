"""Trains in a fork of a process that has imported what the algorithm's zygote has: a container without its start-up time.

A test of an algorithm on torch would otherwise wait three seconds for imports each time it trains.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import psutil

from sagewright.compute import images

_SERVER = """
import importlib, json, os, sys, traceback
for module in json.loads(sys.argv[1]):
    importlib.import_module(module)
for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.environ.clear()
            os.environ.update(job["env"])
            for number, file in ((1, job["stdout"]), (2, job["stderr"])):
                os.dup2(os.open(file, os.O_WRONLY), number)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.argv = ["sagewright_container", *job["arguments"]]
            code = importlib.import_module("sagewright_container.__main__").main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forks:
    """One process per environment of compute/images.py, ended with the tests."""

    def __init__(self, environment: str, sources: str) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, json.dumps(images.preload(environment))],
            env={**kept, "PYTHONPATH": sources},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self.close)

    def run(self, arguments: list[str], env: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
        """``python -m sagewright_container`` with these arguments and nothing but this environment, to its end.

        Raises TimeoutExpired when the end does not come within so many seconds.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "stdout"), Path(folder, "stderr")
            out.touch()
            err.touch()
            job = {"arguments": arguments, "env": dict(env), "stdout": str(out), "stderr": str(err)}
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            if not select.select([self._process.stdout], [], [], timeout)[0]:
                for child in psutil.Process(self._process.pid).children():
                    child.kill()
                self._process.stdout.readline()
                raise subprocess.TimeoutExpired(arguments, timeout, out.read_bytes(), err.read_bytes())
            code = int(self._process.stdout.readline())
            return subprocess.CompletedProcess(arguments, code, out.read_text(), err.read_text())

    def close(self) -> None:
        """Its end of input is its end."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(10)


@cache
def forks(environment: str, sources: str) -> Forks:
    """The process of an environment, started when first asked for."""
    return Forks(environment, sources)
