"""How the hosts of a job work together: the SDK's ``distribution=…`` arrives as hyperparameters ``sagemaker_…_enabled``.

Rules of AWS's training and PyTorch toolkits; what is not there is refused in words.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from sagewright_container.errors import ClientError
from sagewright_container.training import mpi
from sagewright_container.training.environment import MASTER_PORT, TrainingEnvironment

_TORCHRUN = ("sagemaker_torch_distributed_enabled", "sagemaker_pytorch_ddp_enabled")
_MIRRORED = "sagemaker_multi_worker_mirrored_strategy_enabled"
_MIRRORED_PORT = 8890
_REFUSED = {
    "sagemaker_distributed_dataparallel_enabled": (
        "the SageMaker data parallel library (smdistributed) is not available in this image; use torch_distributed"
    ),
    "sagemaker_parameter_server_enabled": "parameter servers are not available in this image",
    "sagemaker_pytorch_xla_multi_worker_enabled": "PyTorch/XLA is not available in this image",
}
_TORCH = ("pytorch", "huggingface")


def uses_mpi(environment: TrainingEnvironment) -> bool:
    """Whether mpirun starts the program here."""
    return environment.platform.get(mpi.SWITCH) is True and _takes_part(environment)


def launcher(environment: TrainingEnvironment) -> list[str]:
    """What comes between the interpreter and the program: torchrun with every host and a process per GPU, or nothing.

    Hosts outside the distribution's instance groups run the program plainly. Raises ClientError.
    """
    if not _takes_part(environment):
        return []
    for switch, problem in _REFUSED.items():
        if environment.platform.get(switch) is True:
            raise ClientError(problem)
    if any(environment.platform.get(switch) is True for switch in _TORCHRUN):
        return ["-m", "torch.distributed.run", *_torchrun(environment)]
    return []


def variables(environment: TrainingEnvironment) -> dict[str, str]:
    """What frameworks read to find the other hosts; what the request's Environment says stays."""
    cluster = environment.cluster()
    found: dict[str, str] = {}
    if os.environ.get("SAGEWRIGHT_FRAMEWORK") in _TORCH:
        found |= {
            "MASTER_ADDR": cluster["master_hostname"],
            "MASTER_PORT": str(MASTER_PORT),
            "NCCL_SOCKET_IFNAME": cluster["network_interface_name"],
            "NCCL_IB_DISABLE": "1",
        }
    if environment.platform.get(_MIRRORED) is True and _takes_part(environment):
        found["TF_CONFIG"] = json.dumps(_mirrored(cluster))
    return {name: value for name, value in found.items() if name not in os.environ}


def _takes_part(environment: TrainingEnvironment) -> bool:
    cluster = environment.cluster()
    return cluster["current_host"] in cluster["distribution_hosts"]


def _torchrun(environment: TrainingEnvironment) -> list[str]:
    cluster = environment.cluster()
    hosts = cluster["distribution_hosts"]
    options = [f"--nnodes={len(hosts)}", f"--nproc_per_node={environment.gpus() or 1}"]
    if len(hosts) == 1:
        return ["--standalone", *options]  # at a port of its own: one host alone may share its network with other jobs
    rank = hosts.index(cluster["current_host"])
    return [*options, f"--node_rank={rank}", f"--master_addr={cluster['master_hostname']}", f"--master_port={MASTER_PORT}"]


def _mirrored(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """TensorFlow's TF_CONFIG: every host is a worker."""
    hosts = cluster["distribution_hosts"]
    return {
        "cluster": {"worker": [f"{host}:{_MIRRORED_PORT}" for host in hosts]},
        "task": {"type": "worker", "index": hosts.index(cluster["current_host"])},
        "environment": "cloud",
    }
