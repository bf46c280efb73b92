"""Training of one job: updates, checkpoints, early stopping; the best network so far always lies in the model folder."""

from __future__ import annotations

import time

import numpy as np

from sagewright_algorithms.common import accelerator, log
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.job import Job
from sagewright_algorithms.seq2seq import artifact, buckets, evaluation
from sagewright_algorithms.seq2seq.lengths import LengthRatio
from sagewright_algorithms.seq2seq.network import Network, start
from sagewright_algorithms.seq2seq.optimizer import Optimizer
from sagewright_algorithms.seq2seq.schedule import Progress
from sagewright_algorithms.seq2seq.sentence_pairs import SentencePairs
from sagewright_algorithms.seq2seq.settings import NetworkSettings
from sagewright_algorithms.seq2seq.translator import Translator
from sagewright_algorithms.seq2seq.vocabulary import SOURCE_FILE, TARGET_FILE, Vocabulary

_UNFINISHED = ".params.best"


def fit(
    job: Job,
    settings: NetworkSettings,
    vocabularies: tuple[Vocabulary, Vocabulary],
    pairs: SentencePairs,
    validation: SentencePairs,
) -> None:
    """Raises ClientError."""
    device, wanted = accelerator.prepare(), job.hyperparameters
    network = Network(settings)
    start(network, wanted.text("weight_init_type"), wanted.number("weight_init_scale"), wanted.text("xavier_factor_type"))
    network.to(device)
    log.info(f"Training on {device} with {sum(item.numel() for item in network.parameters())} parameters")
    ratio = LengthRatio(*pairs.length_ratio())
    job.write_model(artifact.config(settings, wanted.integer("beam_size"), ratio), artifact.CONFIG)
    for name, vocabulary in zip((SOURCE_FILE, TARGET_FILE), vocabularies, strict=True):
        job.write_model(vocabulary.content, name)
    checkpoints = Checkpoints(job, network, ratio, validation)
    Fitting(job, network, checkpoints, pairs).run()


class Checkpoints:
    """Evaluates now and then, keeps the best network, and tells when to stop."""

    def __init__(self, job: Job, network: Network, ratio: LengthRatio, validation: SentencePairs) -> None:
        wanted = job.hyperparameters
        self._job, self._network, self._validation = job, network, validation
        self._metric = wanted.text("optimized_metric")
        self._progress = Progress(larger=self._metric != "perplexity")
        self._translator = Translator(network, wanted.integer("beam_size"), ratio)
        self._translated = self._sample(wanted.integer("bleu_sample_size"))
        self._count = 0

    def evaluate(self, epoch: int, updates: int) -> int:
        """Checkpoints since the best one: 0 when it is this one."""
        since = time.time()
        values = evaluation.evaluate(self._network, self._validation)
        if self._translated is not None:
            values["bleu"] = evaluation.bleu(self._translator, self._translated)
        for name, value in values.items():
            self._job.report.quality("validation", name, value, score=name != "perplexity", epoch=epoch)
        if self._progress.note(values[self._metric]):
            self._keep()
        self._count += 1
        took = time.time() - since
        log.info(f"Checkpoint [{self._count}] Updates={updates} Epoch={epoch} Time-cost={took:.3f} idle={self._progress.idle}")
        return self._progress.idle

    def _keep(self) -> None:
        """By rename: a job that is stopped leaves a whole file."""
        self._job.write_model(artifact.parameters(self._network), _UNFINISHED)
        folder = self._job.layout.model
        (folder / _UNFINISHED).replace(folder / artifact.PARAMETERS)

    def _sample(self, size: int) -> SentencePairs | None:
        """bleu_sample_size: pairs that are translated; all of them for -1, and when BLEU decides and no size is given."""
        everything = size < 0 or (size == 0 and self._metric == "bleu")
        if everything or size >= len(self._validation):
            return self._validation
        rows = np.sort(np.random.default_rng(0).choice(len(self._validation), size, replace=False))
        return self._validation.take(rows) if size else None


class Fitting:
    """Epochs of updates."""

    def __init__(self, job: Job, network: Network, checkpoints: Checkpoints, pairs: SentencePairs) -> None:
        wanted = job.hyperparameters
        self._job, self._network, self._checkpoints, self._pairs = job, network, checkpoints, pairs
        self._optimizer = Optimizer(wanted, network)
        self._frequency = wanted.integer("checkpoint_frequency_num_batches")
        self._most_updates = wanted.integer("max_num_batches")
        self._most_epochs = wanted.integer("max_num_epochs", 0)
        self._random = np.random.default_rng(0)
        self._totals = evaluation.Totals()
        self._updates = 0
        settings, everything = network.settings, np.zeros(len(pairs), np.int64)
        longest = settings.max_seq_len_source, settings.max_seq_len_target
        bucketing = wanted.flag("bucketing_enabled")
        self._buckets = buckets.of_pairs(pairs, wanted.integer("bucket_width"), longest) if bucketing else everything

    def run(self) -> None:
        """Until a limit is reached or the checkpoints no longer help."""
        epoch, going = 0, True
        while going and not 0 < self._most_epochs <= epoch:
            since = time.time()
            going = self._epoch(epoch)
            self._job.report.metrics(since, {"update.time": (time.time() - since) * 1000}, epoch=epoch)
            self._job.report.throughput(len(self._pairs), since)
            epoch += 1
            if self._most_epochs:
                self._job.report.progress(epoch, self._most_epochs)
        if self._totals.tokens:
            self._checkpoint(epoch - 1)

    def _epoch(self, epoch: int) -> bool:
        """One pass; False when training is over."""
        size = self._job.hyperparameters.integer("batch_size")
        for batch in buckets.batches(self._buckets, size, self._random):
            self._update(self._pairs.take(batch))
            if self._updates % self._frequency == 0 and self._stops(self._checkpoint(epoch), epoch):
                log.info("Early stop condition met. Stopping training.")
                return False
            if self._updates == self._most_updates:
                return False
        return True

    def _update(self, pairs: SentencePairs) -> None:
        self._network.train()
        entropy, logits, labels, tokens = evaluation.entropy(self._network, pairs)
        self._optimizer.step(entropy / len(pairs), self._updates)
        self._totals.add(entropy, logits, labels, tokens)
        self._updates += 1

    def _checkpoint(self, epoch: int) -> int:
        """Checkpoints since the best one."""
        metrics, self._totals = self._totals.metrics(), evaluation.Totals()
        if not np.isfinite(metrics["perplexity"]):
            raise ClientError("The training loss is not finite: a smaller learning_rate is needed")
        name = self._job.hyperparameters.text("training_metric")
        self._job.report.quality("train", name, metrics[name], score=name == "accuracy", epoch=epoch)
        idle = self._checkpoints.evaluate(epoch, self._updates)
        if self._optimizer.rate.checkpoint(idle):
            log.info(f"Learning rate is now {self._optimizer.rate.at(self._updates)}")
        return idle

    def _stops(self, idle: int, epoch: int) -> bool:
        """Early stopping: not before min_num_epochs, never with max_num_epochs (DG:seq-2-seq-hyperparameters)."""
        wanted = self._job.hyperparameters
        enough = epoch + 1 > wanted.integer("min_num_epochs")
        return enough and not self._most_epochs and idle >= wanted.integer("checkpoint_threshold")
