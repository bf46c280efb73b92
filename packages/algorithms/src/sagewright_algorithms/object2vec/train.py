"""The Object2Vec training job: pairs of token sequences in, ``model_algo-1`` out (DG:object2vec)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from sagewright_algorithms.common import log
from sagewright_algorithms.common.channels import NOTHING, files, media_type
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.job import Job, run
from sagewright_algorithms.common.sequences import of_rows
from sagewright_algorithms.object2vec import pairs as pairs_module
from sagewright_algorithms.object2vec.pairs import MalformedPairsError, Pairs
from sagewright_algorithms.object2vec.settings import NetworkSettings, resolve

_JSON_LINES = "application/jsonlines"


def main() -> int:
    """Trains; the exit code."""
    return run("object2vec", "AWS/Object2Vec", train)


def train(job: Job) -> None:
    """Raises ClientError."""
    settings = resolve(job.hyperparameters)
    log.info(f"Encoder configs: {list(settings.document()['encoders'])}")
    if job.hyperparameters.integer("negative_sampling_rate") and job.hyperparameters.integer("mini_batch_size") == 1:
        raise ClientError("negative_sampling_rate needs a mini_batch_size of at least 2: negatives are made of other pairs")
    examples = _read(job, "train", settings)
    if examples is None:
        raise ClientError(NOTHING)
    validation, test = _read(job, "validation", settings), _read(job, "test", settings)

    # By name: torch is not needed to refuse a job, and takes seconds to import where no zygote has it.
    import_module("sagewright_algorithms.object2vec.fitting").fit(job, settings, examples, validation, test)


def _read(job: Job, name: str, settings: NetworkSettings) -> Pairs | None:
    """All pairs of a channel, None without the channel. Raises ClientError."""
    if name not in job.channels:
        return None
    since = time.time()
    media_type(job.channels[name], _JSON_LINES)
    parts = [part for file in files(job.layout.channel(name)) for part in _pairs(file, settings)]
    if not parts:
        raise ClientError(NOTHING)
    found = pairs_module.joined(parts)
    log.info(f"Read {len(found)} pairs of the channel {name} in {time.time() - since:.3f} s")
    return found


def _pairs(file: Path, settings: NetworkSettings) -> Iterator[Pairs]:
    """A few thousand pairs at a time. Raises ClientError."""
    for number, lines in enumerate(pairs_module.blocks(file.read_bytes())):
        try:
            yield _block(lines, settings)
        except MalformedPairsError as error:
            record = number * pairs_module.BLOCK + error.record
            raise ClientError(f"{error} (record {record}, file {file})") from error


def _block(lines: list[bytes], settings: NetworkSettings) -> Pairs:
    documents = pairs_module.documents(lines)
    left, right = (
        of_rows(pairs_module.rows(documents, name, encoder.vocab_size, encoder.max_seq_len))
        for name, encoder in zip(("in0", "in1"), settings.encoders, strict=True)
    )
    return Pairs(left, right, pairs_module.labels(documents, settings.outputs))
