"""``distribution={"mpi": {"enabled": True, …}}``: mpirun on the first host, which starts the program on all of them.

Rules of AWS's training toolkit (mpi.py), for Open MPI 4. What is missing on this machine is said in words.
"""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from sagewright_container.errors import ClientError
from sagewright_container.training.environment import TrainingEnvironment

SWITCH = "sagemaker_mpi_enabled"
_FOLLOW = "from sagewright_container.training.remote import follow; raise SystemExit(follow())"


def command(environment: TrainingEnvironment, program: list[str]) -> list[str]:
    """mpirun with the program on the first host; the others follow. Raises ClientError."""
    cluster = environment.cluster()
    mpirun = _mpirun()
    if not cluster["is_master"]:
        return [sys.executable, "-c", _FOLLOW]
    each = int(environment.platform.get("sagemaker_mpi_num_of_processes_per_host") or environment.gpus() or 1)
    hosts = cluster["distribution_hosts"]
    count = int(environment.platform.get("sagemaker_mpi_num_processes") or each * len(hosts))
    where = ["--host", ",".join(f"{host}:{each}" for host in hosts), "-np", str(count)]
    custom = shlex.split(str(environment.platform.get("sagemaker_mpi_custom_mpi_options") or ""))
    return [mpirun, *where, *_options(cluster), *custom, *_aborting(program)]


def followers(environment: TrainingEnvironment) -> list[str]:
    """The hosts that this one leads."""
    cluster = environment.cluster()
    if environment.platform.get(SWITCH) is not True or not cluster["is_master"]:
        return []
    return [host for host in cluster["distribution_hosts"] if host != cluster["current_host"]]


def _mpirun() -> str:
    found = shutil.which("mpirun")
    if found is None:
        raise ClientError(
            "MPI is not available: there is no mpirun on this machine. Install Open MPI, or use torch_distributed"
        )
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    if "Open MPI) 4." not in told:
        raise ClientError(
            f"MPI needs Open MPI 4, and mpirun on this machine is {told.strip().splitlines()[:1] or 'another one'}"
        )
    return found


def _options(cluster: Mapping[str, Any]) -> list[str]:
    """Several containers share this machine's cores: no process is bound to one. One container's memory is closed to another's."""
    options = "--allow-run-as-root --tag-output -bind-to none -map-by slot -mca pml ob1 -mca btl ^openib"
    options += " -mca btl_vader_single_copy_mechanism none -mca orte_abort_on_non_zero_status 1"
    if len(cluster["distribution_hosts"]) == 1:
        return options.split()
    interface = cluster["network_interface_name"]
    options += f" -mca btl_tcp_if_include {interface} -mca oob_tcp_if_include {interface} -mca plm_rsh_no_tree_spawn 1"
    return [*options.split(), "-mca", "plm_rsh_agent", f"{sys.executable} -m sagewright_container.training.remote"]


def _aborting(program: list[str]) -> list[str]:
    """With mpi4py an exception in one process ends them all, instead of leaving the others to wait."""
    if program[0] != sys.executable or importlib.util.find_spec("mpi4py") is None:
        return program
    return [program[0], "-m", "mpi4py", *program[1:]]
