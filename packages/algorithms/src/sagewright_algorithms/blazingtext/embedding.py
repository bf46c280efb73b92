"""The three ways to learn word vectors: ``vectors.bin``, ``vectors.txt`` and ``eval.json`` (DG:blazingtext)."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sagewright_algorithms.blazingtext import similarity, vectors_file
from sagewright_algorithms.blazingtext.console import Console
from sagewright_algorithms.blazingtext.library import Model, arguments, threads_for
from sagewright_algorithms.common import log
from sagewright_algorithms.common.cluster import Cluster
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.job import Job
from sagewright_algorithms.common.matrix import Floats

BINARY, TEXT, EVALUATION = "vectors.bin", "vectors.txt", "eval.json"
BATCH = "batch_skipgram"
_END_OF_SENTENCE = "</s>"
_MILLION = 1e6


def train(job: Job, text: Path) -> None:
    """Raises ClientError."""
    wanted, since, model = job.hyperparameters, time.time(), Model()
    batches = wanted.text("mode") == BATCH
    threads = 1 if batches else threads_for(text.stat().st_size, wanted.integer("epochs"))
    given = arguments(wanted, text, threads)
    rate = _train_batches(model, given, wanted, text, job.cluster) if batches else _train_pairs(model, given)
    log.plain("Training finished!")
    log.plain(f"Average throughput in Million words/sec: {rate:.2f}")
    log.plain(f"Total training time in seconds: {time.time() - since:.2f}")
    words, _ = model.words()
    vectors = model.word_vectors()
    if not np.isfinite(vectors).all():
        raise ClientError("The model diverged: its parameters are not numbers any more. Lower learning_rate")
    if not job.cluster.leads:
        return
    model.save(job.layout.model / BINARY)
    vectors_file.write(job.layout.model / TEXT, words, vectors)
    if wanted.flag("evaluation"):
        _evaluate(words, vectors, job.layout.model)


def _train_pairs(model: Model, given: Any) -> float:
    """By fastText; million words a second."""
    with Console(given.thread) as console:
        model.train(given)
    return console.rate


def _train_batches(model: Model, given: Any, wanted: Hyperparameters, text: Path, cluster: Cluster) -> float:
    """By ``batch_skipgram``, on the words and the first vectors that fastText finds; million words a second."""
    batch_skipgram = importlib.import_module("sagewright_algorithms.blazingtext.batch_skipgram")  # SciPy: 0.3 s
    given.epoch, given.verbose = 0, 0
    model.train(given)
    words, counts = model.words()
    log.plain(f"Number of words:  {len(words)}")
    index = {word.encode("utf-8", "surrogateescape"): number for number, word in enumerate(words)}
    sentences = batch_skipgram.read(text, index).share(cluster)
    if not len(sentences.ids):
        raise ClientError("Empty vocabulary: no word is as frequent as min_count asks. Lower min_count")
    settings = batch_skipgram.Settings(
        window=wanted.integer("window_size"),
        negatives=wanted.integer("negative_samples"),
        group=wanted.integer("batch_size"),
        rate=wanted.number("learning_rate"),
        threshold=wanted.number("sampling_threshold"),
        epochs=wanted.integer("epochs"),
    )
    drawn = np.array([0 if word == _END_OF_SENTENCE else count for word, count in zip(words, counts, strict=True)], float)
    since, shown, rate = time.time(), 0, 0.0
    steps = batch_skipgram.train(sentences, drawn, model.matrices(), settings, np.random.default_rng(cluster.rank), cluster)
    for progress in steps:
        if progress.done * 20 >= shown:
            shown = int(progress.done * 20) + 1
            rate = progress.done * len(sentences.ids) * settings.epochs / max(time.time() - since, 1e-6) / _MILLION
            log.plain(
                f"##### Alpha: {progress.rate:.4f}  Progress: {progress.done * 100:.2f}%  Million Words/sec: {rate:.2f} #####"
            )
    return rate


def _evaluate(words: list[str], vectors: Floats, folder: Path) -> None:
    """AWS scores the two halves of WordSim-353; gensim's list does not tell them apart, so it is scored as a whole."""
    path = similarity.find_list()
    if path is None:
        log.info("evaluation: there is no list of word pairs (WordSim-353 comes with the package gensim), so no mean_rho")
        return
    log.info("Evaluating word embeddings....")
    found = similarity.measure(similarity.read_list(path), words, vectors)
    block = {"not_found": found.not_found, "spearmans_rho": found.rho, "total_pairs": found.total}
    document = orjson.dumps({path.name: block, "mean_rho": found.rho}, option=orjson.OPT_INDENT_2)
    (folder / EVALUATION).write_bytes(document)
    log.plain(document.decode())
    log.plain(f"#mean_rho: {found.rho:.4f}")
