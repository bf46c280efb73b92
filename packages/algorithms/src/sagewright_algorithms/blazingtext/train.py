"""The BlazingText training job: text in, word vectors or a classifier out (DG:blazingtext)."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from sagewright_algorithms.blazingtext import classification, corpus, embedding
from sagewright_algorithms.blazingtext.library import SUPERVISED
from sagewright_algorithms.common import log
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.job import Job, run

_MEGABYTE = 1 << 20


def main() -> int:
    """Trains; the exit code."""
    return run("blazingtext", "AWS/BlazingText", train)


def train(job: Job) -> None:
    """Raises ClientError."""
    mode = job.hyperparameters.text("mode")
    check(job.hyperparameters, validated="validation" in job.channels)
    if job.cluster.size > 1 and mode != embedding.BATCH:
        raise ClientError(
            f"mode {mode} does not train on several instances: set InstanceCount to 1, or mode to {embedding.BATCH}"
        )
    machines = "single machine" if job.cluster.size == 1 else "distributed"
    log.info(f"Running {machines} CPU BlazingText training using {mode} mode.")
    with TemporaryDirectory() as folder:
        scratch = Path(folder)
        text = _text(job, "train", scratch)
        if mode != SUPERVISED:
            embedding.train(job, text)
            return
        validation = _text(job, "validation", scratch) if "validation" in job.channels else None
        for name, path in (("train", text), ("validation", validation)):
            if path is not None:
                corpus.check_labels(path, name)
        classification.train(job, text, validation, scratch)


def check(wanted: Hyperparameters, validated: bool) -> None:
    """What goes together. ``validated``: there is a validation channel. Raises ClientError."""
    mode = wanted.text("mode")
    if mode != SUPERVISED and validated:
        raise ClientError(f"The validation channel is supported only when mode is {SUPERVISED}, not {mode}")
    if mode == SUPERVISED and wanted.flag("early_stopping") and not validated:
        raise ClientError("early_stopping is set to True, but there is no validation channel")
    if wanted.flag("subwords") and mode != SUPERVISED:
        if mode == embedding.BATCH:
            raise ClientError(f"subwords is not supported when mode is {mode}")
        if wanted.integer("min_char") > wanted.integer("max_char"):
            raise ClientError("min_char must not be larger than max_char")


def _text(job: Job, channel: str, scratch: Path) -> Path:
    path = corpus.text_of(job.layout.channel(channel), job.channels[channel], scratch)
    log.info(f"Processing {path} . File size: {path.stat().st_size / _MEGABYTE} MB")
    return path
