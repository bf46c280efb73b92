"""The frame of a JumpStart training job: configuration in, failures in words, the endpoint's script into the artifact."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sagewright_algorithms.common import ending
from sagewright_algorithms.common.cluster import ALONE, Cluster, cluster_of
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.jumpstart import log, scripts
from sagewright_algorithms.manifest import JumpStartModel, Manifest, load, names
from sagewright_container.code import unpack
from sagewright_container.errors import CodeError
from sagewright_container.layout import Layout
from sagewright_container.training import values

_TRAINING = ("training", "train")  # AWS's scripts take either name
_MODEL = "model"


@dataclass(frozen=True, slots=True)
class Job:
    """What an algorithm's train function gets. ``model.task`` says what to train."""

    layout: Layout
    manifest: Manifest
    model: JumpStartModel
    hyperparameters: Hyperparameters
    channels: Mapping[str, Mapping[str, Any]]
    cluster: Cluster = ALONE

    @property
    def artifact(self) -> Path:
        """The folder that becomes model.tar.gz."""
        return self.layout.model

    @property
    def hosts(self) -> list[str]:
        """All instances, in the order of their names."""
        return sorted(_document(self.layout.config / "resourceconfig.json").get("hosts") or ["algo-1"])

    def training(self) -> Path:
        """The folder of the training channel, by either of its names."""
        return self.layout.channel(next(name for name in _TRAINING if name in self.channels))

    def folder(self, channel: str) -> Path | None:
        """The folder of another channel, None when the job has no such channel."""
        return self.layout.channel(channel) if channel in self.channels else None

    def content_type(self, folder: Path) -> str:
        """The media type that the user gave to the channel of a folder, in lower case, "" for none."""
        given = self.channels.get(folder.name, {}).get("ContentType") or ""
        return str(given).partition(";")[0].strip().lower()

    def pretrained(self) -> Path | None:
        """The model that the job starts from (channel ``model``), unpacked; None when there is none. Raises ClientError."""
        folder = self.folder(_MODEL)
        if folder is None:
            return None
        for archive in sorted(folder.glob("*.tar.gz")):
            try:
                unpack(archive, folder)
            except CodeError as error:
                raise ClientError(f"The model channel cannot be read: {error}") from error
        return folder


def run(model_id: str, train: Callable[[Job], None], several: Callable[[Hyperparameters], None] | None = None) -> int:
    """Trains; 0 and a model, or the reason in /opt/ml/output/failure and 2 (the user's fault) or 1.

    ``several`` raises ClientError for hyperparameters that need one instance (see common/job.py).
    """
    layout = Layout.current()

    def work() -> None:
        job = _prepare(layout, model_id)
        if several is not None and len(job.hosts) > 1:
            several(job.hyperparameters)
        layout.model.mkdir(parents=True, exist_ok=True)
        with cluster_of(_document(layout.config / "resourceconfig.json")) as cluster:
            train(replace(job, cluster=cluster))
        if cluster.leads:
            _leave_script(job)

    return ending.of(layout, work)


def _leave_script(job: Job) -> None:
    """``code/inference.py``: the artifact can be served as it is."""
    code = job.artifact / "code"
    code.mkdir(exist_ok=True)
    (code / scripts.INFERENCE).write_text(scripts.inference(job.manifest.algorithm, job.model.id), encoding="utf-8")


def _prepare(layout: Layout, model_id: str) -> Job:
    manifest = next(found for found in map(load, names()) if any(item.id == model_id for item in found.jumpstart))
    model = manifest.model(model_id)
    if manifest.missing():
        raise ClientError(manifest.missing())
    hyperparameters = _hyperparameters(manifest, _document(layout.config / "hyperparameters.json"))
    log.info(f"Hyperparameters: {json.dumps(hyperparameters.final)}")
    alone = len(_document(layout.config / "resourceconfig.json").get("hosts") or ["algo-1"]) == 1
    if not alone and not manifest.training.distributed:
        raise ClientError(f"{manifest.title} does not train on several instances: set InstanceCount to 1")
    channels = _document(layout.config / "inputdataconfig.json")
    _check_channels(manifest, channels)
    return Job(layout, manifest, model, hyperparameters, channels)


def _hyperparameters(manifest: Manifest, given: Mapping[str, Any]) -> Hyperparameters:
    """Those of the algorithm, by their own names. AWS's scripts take no notice of a name that they do not know; we say so."""
    known: dict[str, str] = {}
    for name, value in values.for_user(values.decode(given)).items():
        item = manifest.hyperparameter(name) or manifest.hyperparameter(name.replace("-", "_"))
        if item is None:
            log.warning(f"The hyperparameter {name!r} is unknown to {manifest.title} and has no effect")
        else:
            known[item.name] = str(value)
    return Hyperparameters(manifest, known)


def _check_channels(manifest: Manifest, channels: Mapping[str, Any]) -> None:
    """Those that are required must be there; the script takes no notice of others, as with AWS."""
    for item in manifest.channels:
        alike = _TRAINING if item.name in _TRAINING else (item.name,)
        if item.required and not any(name in channels for name in alike):
            raise ClientError(
                "Unable to initialize the algorithm. Failed to validate input data configuration: "
                f"'{item.name}' is a required property"
            )


def _document(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise ClientError(f"{path.name} is not a JSON object")
    return document
