"""The frame of a training job of this family: configuration in, log lines in AWS's order, failures in AWS's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sagewright_algorithms.common import channels as channels_module
from sagewright_algorithms.common import ending, log
from sagewright_algorithms.common.channels import Channel, Examples
from sagewright_algorithms.common.cluster import ALONE, Cluster, cluster_of
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.input_config import check
from sagewright_algorithms.manifest import load
from sagewright_container.layout import Layout

MODEL = "model_algo-1"


@dataclass(frozen=True, slots=True)
class Job:
    """What an algorithm's train function gets: on each instance its own share of the data."""

    layout: Layout
    hyperparameters: Hyperparameters
    channels: Mapping[str, Channel]
    report: log.Reporter
    cluster: Cluster = ALONE

    def examples(self, channel: str) -> Examples | None:
        """All records of a channel, None when the job has no such channel. Raises ClientError."""
        if channel not in self.channels:
            return None
        return channels_module.read(self.layout.channel(channel), self.channels[channel])

    def train_examples(self) -> Examples:
        """Raises ClientError."""
        return channels_module.read(self.layout.channel("train"), self.channels["train"])

    def write_model(self, content: bytes, name: str = MODEL) -> None:
        """A file of the artifact; of several instances the first one's counts."""
        if not self.cluster.leads:
            return
        self.layout.model.mkdir(parents=True, exist_ok=True)
        (self.layout.model / name).write_bytes(content)


def run(
    algorithm: str,
    dimension: str,
    train: Callable[[Job], None],
    several: Callable[[Hyperparameters], None] | None = None,
) -> int:
    """Trains; 0 and a model, or the reason in /opt/ml/output/failure and 2 (the user's fault) or 1.

    ``dimension`` is the algorithm's name in AWS's metric lines. ``several`` raises ClientError for hyperparameters that need one
    instance; it is asked before the instances look for one another, or those that are slower would wait for one that has ended.
    """
    layout = Layout.current()
    log.plain("Docker entrypoint called with argument(s): train")
    log.plain("Running default environment configuration script")

    def work() -> None:
        job = _prepare(algorithm, dimension, layout)
        resources = _document(layout.config / "resourceconfig.json")
        if several is not None and len(resources.get("hosts") or ()) > 1:
            several(job.hyperparameters)
        with cluster_of(resources) as cluster:
            train(replace(job, cluster=cluster))
        job.report.finish()

    return ending.of(layout, work)


def _prepare(algorithm: str, dimension: str, layout: Layout) -> Job:
    manifest = load(algorithm)
    given = _document(layout.config / "hyperparameters.json")
    defaults = {item.name: item.default for item in manifest.hyperparameters if item.default is not None}
    source = f"sagewright_algorithms/{algorithm.replace('-', '_')}/manifest.json"
    log.info(f"Reading default configuration from {source}: {defaults}")
    log.info(f"Merging with provided configuration from {layout.config / 'hyperparameters.json'}: {given}")
    hyperparameters = Hyperparameters(manifest, given)
    log.info(f"Final configuration: {hyperparameters.final}")
    resources = _document(layout.config / "resourceconfig.json")
    hosts = resources.get("hosts") or ["algo-1"]
    if len(hosts) > 1 and not manifest.training.distributed:
        raise ClientError(f"{manifest.title} does not train on several instances: set InstanceCount to 1")
    channels = _document(layout.config / "inputdataconfig.json")
    check(manifest, channels)
    for line in ("Process 1 is a worker.", "Using default worker.", "Create Store: local"):
        log.info(line)
    host = str(resources.get("current_host") or hosts[0])
    return Job(layout, hyperparameters, channels, log.Reporter(dimension, host))


def _document(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise ClientError(f"{path.name} is not a JSON object")
    return document
