"""From the channels of a job to alpha and beta."""

from __future__ import annotations

import time

import numpy as np

from sagewright_algorithms.common import log, ndarray_file
from sagewright_algorithms.common.channels import NOTHING, Examples
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.job import Job
from sagewright_algorithms.common.matrix import Doubles, WrongWidthError, fitted
from sagewright_algorithms.lda import documents as documents_module
from sagewright_algorithms.lda import starts, variational
from sagewright_algorithms.lda.documents import Documents
from sagewright_algorithms.lda.spectral import Search

_PASSES, _GAIN = 100, 1e-5  # over all documents at most; log likelihood of a word


def train(job: Job) -> None:
    """Raises ClientError."""
    wanted, since = job.hyperparameters, time.time()
    count, words = wanted.integer("num_topics"), wanted.integer("feature_dim")
    corpus = _documents(job.train_examples(), words)
    if wanted.integer("mini_batch_size") > len(corpus):
        raise ClientError(NOTHING)
    test = job.examples("test")
    held_out = None if test is None else _documents(test, words)
    prior = np.full(count, wanted.number("alpha0") / count)
    topics = _topics(job, corpus, prior)
    shares = variational.mixtures(corpus, prior, variational.words_of(topics))
    alpha = prior.sum() * shares.mean(axis=0, dtype=np.float64)
    order = np.argsort(-alpha, kind="stable")
    alpha, topics = alpha[order], topics[order]
    job.report.throughput(len(corpus), since)
    if held_out is not None:
        found = variational.words_of(topics)
        pwll = variational.likelihood(held_out, variational.mixtures(held_out, alpha, found), found)
        job.report.quality("test", "pwll", pwll, score=True)
        job.report.test_score("pwll", pwll)
    job.write_model(ndarray_file.dump([alpha.astype(np.float32), topics.astype(np.float32)]))


def _topics(job: Job, corpus: Documents, prior: Doubles) -> Doubles:
    """The best start, improved on all documents."""
    wanted = job.hyperparameters
    search = Search(
        wanted.number("alpha0"), wanted.integer("max_restarts"), wanted.integer("max_iterations"), wanted.number("tol")
    )
    since = time.time()
    topics = starts.best(corpus, len(prior), prior, search, np.random.default_rng(0))
    job.report.metrics(since, {"initialize.time": (time.time() - since) * 1000})
    since = time.time()
    for number, found in enumerate(variational.improved(corpus, prior, topics, _PASSES, _GAIN), 1):
        topics = found.topics
        log.info(f"pass={number}, train pwll={found.likelihood}")
    job.report.metrics(since, {"update.time": (time.time() - since) * 1000})
    job.report.progress(1, 1)
    return topics


def _documents(examples: Examples, words: int) -> Documents:
    """Raises ClientError."""
    try:
        rows = fitted(examples.rows, words)
    except WrongWidthError as error:
        raise ClientError(str(error)) from error
    if documents_module.smallest(rows) < 0:
        raise ClientError("A document has a negative number of words")
    found = documents_module.of_rows(rows, words)
    if not documents_module.lengths(found).any():
        raise ClientError("No training data processed: none of the documents has a word")
    return found
