"""The Sequence-to-Sequence training job: pairs of token sequences and their vocabularies in, a network out (DG:seq-2-seq)."""

from __future__ import annotations

from importlib import import_module

from sagewright_algorithms.common import log
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.job import Job, run
from sagewright_algorithms.seq2seq import sentence_pairs
from sagewright_algorithms.seq2seq.sentence_pairs import SentencePairs
from sagewright_algorithms.seq2seq.settings import resolve
from sagewright_algorithms.seq2seq.vocabulary import SOURCE_FILE, TARGET_FILE, MalformedVocabularyError, Vocabulary


def main() -> int:
    """Trains; the exit code."""
    return run("seq2seq", "AWS/Seq2Seq", train)


def train(job: Job) -> None:
    """Raises ClientError."""
    source, target = _vocabulary(job, SOURCE_FILE), _vocabulary(job, TARGET_FILE)
    log.info(f"Vocabularies of {len(source)} source and {len(target)} target words")
    settings = resolve(job.hyperparameters, len(source), len(target))
    longest = settings.max_seq_len_source, settings.max_seq_len_target

    def read(channel: str) -> SentencePairs:
        words = len(source), len(target)
        return sentence_pairs.read(job.layout.channel(channel), job.channels[channel], words, longest)

    pairs, validation = read("train"), read("validation")
    log.info(f"Read {len(pairs)} training and {len(validation)} validation pairs")
    # By name: torch is not needed to refuse a job, and takes seconds to import where no zygote has it.
    import_module("sagewright_algorithms.seq2seq.fitting").fit(job, settings, (source, target), pairs, validation)


def _vocabulary(job: Job, name: str) -> Vocabulary:
    try:
        return Vocabulary((job.layout.channel("vocab") / name).read_bytes())
    except OSError as error:
        raise ClientError(f"The channel vocab has no file {name}: {error.strerror}") from error
    except MalformedVocabularyError as error:
        raise ClientError(f"The vocabulary {name} cannot be read: {error}") from error
