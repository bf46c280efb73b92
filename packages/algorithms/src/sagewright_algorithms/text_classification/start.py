"""Where training starts: weights of the ``model`` channel, or a small BERT of random weights and a vocabulary of its own.

No weights come with Sagewright. A model that the channel brings is a folder of transformers with safetensors; whatever it is
called and whatever it names, nothing in it is run and nothing is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
)

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.jumpstart import log
from sagewright_algorithms.jumpstart.job import Job
from sagewright_algorithms.text_classification import artifact
from sagewright_algorithms.text_classification.sentences import Data
from sagewright_algorithms.text_classification.vocabulary import LONGEST, Vocabulary, of_pretrained

_WEIGHTS, _CONFIG = "model.safetensors", "config.json"
_LAYERS, _HEADS, _WIDTH = 2, 2, 128
_REFUSAL = "The model of the model channel cannot be used"
_UNUSABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)  # what transformers raises

transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Start:
    """A classifier and the vocabulary it reads with. ``fresh_top``: its last layer has random weights."""

    model: Any
    vocabulary: Vocabulary
    fresh_top: bool


def of(job: Job, data: Data) -> Start:
    """Raises ClientError."""
    folder = _weights(job)
    if folder is None:
        log.info("The model channel brings no weights: training starts from random ones")
        return _from_scratch(job, data)
    log.info("Training starts from the weights of the model channel")
    return _from_weights(job, data, folder)


def _weights(job: Job) -> Path | None:
    """The folder of the model channel that holds a model."""
    channel = job.pretrained()
    configs = sorted(channel.rglob(_CONFIG)) if channel is not None else []
    if not configs:
        return None
    folder = next((config.parent for config in configs if (config.parent / _WEIGHTS).is_file()), None)
    if folder is None:
        raise ClientError(f"The model channel has no {_WEIGHTS} beside its {_CONFIG}: weights in other formats are not read")
    return folder


def _from_scratch(job: Job, data: Data) -> Start:
    vocabulary = Vocabulary.learned(data.train.texts, lowercase="-cased" not in job.model.id)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=_WIDTH,
        num_hidden_layers=_LAYERS,
        num_attention_heads=_HEADS,
        intermediate_size=4 * _WIDTH,
        max_position_embeddings=LONGEST,
        pad_token_id=vocabulary.padding,
        classifier_dropout=job.hyperparameters.number("dropout_rate"),
    )
    config.num_labels = data.classes
    return Start(BertForSequenceClassification(config), vocabulary, fresh_top=True)


def _from_weights(job: Job, data: Data, folder: Path) -> Start:
    trained = _labels(folder)
    fresh_top = _reinitializes(job.hyperparameters.text("reinitialize_top_layer"), trained is not None)
    if not fresh_top and trained is not None and trained != data.classes:
        raise ClientError(
            f"The model of the model channel tells {trained} classes apart and the data has {data.classes}: "
            "incremental training needs the same classes, or reinitialize_top_layer True"
        )
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if fresh_top or trained is None:
            config.num_labels = data.classes
        config.classifier_dropout = job.hyperparameters.number("dropout_rate")
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, config=config, local_files_only=True, use_safetensors=True, ignore_mismatched_sizes=True
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except _UNUSABLE as error:
        raise ClientError(f"{_REFUSAL}: {error}") from error
    padding = config.pad_token_id if config.pad_token_id is not None else 0
    if fresh_top:
        _reinitialize(model)
    return Start(model, of_pretrained(tokenizer, padding), fresh_top)


def _labels(folder: Path) -> int | None:
    try:
        return artifact.labels(folder)
    except _UNUSABLE as error:
        raise ClientError(f"{_REFUSAL}: {error}") from error


def _reinitializes(wanted: str, incremental: bool) -> bool:
    """Auto: a model that has been trained on sentences keeps its last layer (DG:text-classification-tensorflow-Hyperparameter)."""
    return wanted == "True" or (wanted == "Auto" and not incremental)


def top(model: Any) -> list[Any]:
    """The modules on top of the encoder."""
    return [module for name, module in model.named_children() if name != model.base_model_prefix]


def _reinitialize(model: Any) -> None:
    for module in top(model):
        module.apply(model._init_weights)
