"""The contract of the runtimes again, with a server that is an ordinary user: user namespaces do then what root did.

Runs when these tests run as root; otherwise the suite itself has been run by an ordinary user.
Feature row O13.
"""

from __future__ import annotations

import os
import site
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

NOBODY = 65534
ROOT = Path(__file__).parents[2]
SCENES = "cannot or sigkill or sigterm or dial or fork_bomb or too_much_memory or lost or adopts or isolation or refused or masked or peers or layers or file_system"


def as_nobody(interpreter: str, *arguments: str, folder: str) -> subprocess.CompletedProcess[str]:
    packages = [path for path in sys.path if Path(path) in map(Path, site.getsitepackages())]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "TMPDIR": folder,
        "PYTHONPATH": ":".join(packages),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [interpreter, *arguments]
    return subprocess.run(
        command,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def is_usable(interpreter: str, folder: str) -> bool:
    sources = [str(ROOT / "packages" / name / "src") for name in ("sagewright", "container", "algorithms")]
    source = f"import sys; sys.path[:0] = {sources!r}"
    try:
        return (
            as_nobody(interpreter, "-c", f"{source}; import pytest, sagewright.compute.zygote", folder=folder).returncode == 0
        )
    except (PermissionError, FileNotFoundError):
        return False


@pytest.mark.skipif(os.geteuid() != 0, reason="the whole suite runs as an ordinary user already")
def test_the_contract_holds_for_an_ordinary_user() -> None:
    with tempfile.TemporaryDirectory(prefix="sagewright-", dir="/tmp") as folder:
        os.chown(folder, NOBODY, NOBODY)
        interpreter = next((path for path in (sys.executable, "/usr/bin/python3") if is_usable(path, folder)), None)
        if interpreter is None:
            pytest.skip("no Python that an ordinary user may run, with pytest and these sources")
        suite = ["-m", "pytest", "tests/contract/test_runtime.py", "-q", "-p", "no:cacheprovider", "-k", SCENES]
        done = as_nobody(interpreter, *suite, f"--basetemp={folder}/tests", folder=folder)
        assert done.returncode == 0, done.stdout[-5000:]
        assert " passed" in done.stdout
