"""Several instances that grow one model: which rows are whose, what all must know alike, and where LightGBM finds the others.

AWS does this with Dask (``use_dask``), which itself only tells LightGBM's own network who takes part.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from sagewright_algorithms.common.cluster import Cluster, port
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.jumpstart.job import Job
from sagewright_algorithms.jumpstart.labels import Classes
from sagewright_algorithms.jumpstart.tables import Split, Tables
from sagewright_algorithms.lightgbm import encoding

_FIRST_PORT = 1  # above the cluster's own
_BY_FEATURE = "feature"


def check(job: Job) -> None:
    """Raises ClientError."""
    if job.cluster.size > 1 and job.hyperparameters.text("use_dask") != "True":
        raise ClientError("LightGBM trains on several instances only with use_dask=True: set it, or InstanceCount to 1")


def shared(job: Job, data: Tables) -> Tables:
    """This host's rows of the training data: its file share, or every n-th row where all hosts have everything. Raises ClientError."""
    if job.cluster.size == 1:
        return data
    columns = job.cluster.documents([data.width, *data.categorical])
    if any(found != columns[0] for found in columns):
        raise ClientError(
            "The instances have different columns: all need rows of one width and the same categorical_index.json "
            "(S3DataDistributionType FullyReplicated)"
        )
    sharded = job.channels[job.training().name].get("S3DistributionType") == "ShardedByS3Key"
    by_feature = job.hyperparameters.text("tree_learner") == _BY_FEATURE
    if sharded and by_feature:
        raise ClientError("tree_learner=feature needs all rows on all instances: S3DataDistributionType FullyReplicated")
    if sharded or by_feature:
        return data
    own = slice(job.cluster.rank, None, job.cluster.size)
    features, labels = data.train.features.iloc[own], data.train.labels.iloc[own]
    return Tables(Split(features.reset_index(drop=True), labels.reset_index(drop=True)), data.validation, data.categorical)


def classes(job: Job, data: Tables) -> Classes:
    """Of all hosts. Raises ClientError."""
    if job.cluster.size == 1:
        return Classes.of(data.train.labels, data.validation.labels)
    return Classes.union(job.cluster.documents(Classes.found(data.train.labels, data.validation.labels)))


def vocabularies(job: Job, data: Tables) -> dict[int, dict[str, int]]:
    """The codes of all hosts' categories, by column."""
    found = {position: encoding.names(data.train.features.iloc[:, position]) for position in data.categorical}
    everyones: list[Mapping[str, list[str]]] = job.cluster.documents(
        {str(position): names for position, names in found.items()}
    )
    return {
        position: encoding.vocabulary(name for each in everyones for name in each[str(position)])
        for position in data.categorical
    }


def parameters(cluster: Cluster, hosts: list[str], learner: str) -> dict[str, Any]:
    """LightGBM's. Each host listens on a port of its own: tests have one machine."""
    if cluster.size == 1:
        return {}
    ports = [port() + _FIRST_PORT + rank for rank in range(cluster.size)]
    machines = [f"{socket.gethostbyname(host)}:{number}" for host, number in zip(hosts, ports, strict=True)]
    return {
        "machines": ",".join(machines),
        "local_listen_port": ports[cluster.rank],
        "num_machines": cluster.size,
        "pre_partition": learner != _BY_FEATURE,
        "tree_learner": "data" if learner == "serial" else learner,
    }
