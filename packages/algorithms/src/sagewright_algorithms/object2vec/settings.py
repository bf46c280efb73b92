"""What the network looks like: hyperparameters resolved as AWS's container resolves them, and as the artifact keeps them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sagewright_algorithms.common import log
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters

POOLED, HCNN, BILSTM = "pooled_embedding", "hcnn", "bilstm"
_LAYERS = {HCNN: 4, BILSTM: 1, POOLED: 1}  # what "auto" means (DG:object2vec-hyperparameters)
_LAZY_OPTIMIZERS = ("adam", "adagrad", "sgd")
_FILE_NAME = re.compile(r"[A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """One encoder. ``embedding_file`` and ``vocab_file`` are names in the auxiliary channel, or ""."""

    network: str
    layers: int
    vocab_size: int
    max_seq_len: int
    token_embedding_dim: int
    cnn_filter_width: int
    freeze: bool
    embedding_file: str
    vocab_file: str


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """``outputs`` is the number of classes, 1 for a regression; ``tied``: both encoders have the same token vectors."""

    encoders: tuple[EncoderSettings, EncoderSettings]
    enc_dim: int
    comparators: tuple[str, ...]
    mlp_layers: int
    mlp_dim: int
    mlp_activation: str
    outputs: int
    dropout: float
    tied: bool

    @property
    def regression(self) -> bool:
        """Whether the network answers a number."""
        return self.outputs == 1

    def document(self) -> dict[str, Any]:
        """For the artifact."""
        return asdict(self)

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> NetworkSettings:
        """Raises KeyError, TypeError, ValueError when it is none."""
        first, second = (EncoderSettings(**encoder) for encoder in document["encoders"])
        return cls(**{**document, "encoders": (first, second), "comparators": tuple(document["comparators"])})


def resolve(wanted: Hyperparameters) -> NetworkSettings:
    """Raises ClientError when hyperparameters contradict each other."""
    first = _encoder(wanted, "enc0", wanted.text("enc0_network"))
    same = wanted.text("enc1_network") == "enc0"
    # "enc0" means all of its hyperparameters: those sent for enc1 are not looked at (aws/sagemaker-python-sdk issue 834).
    second = first if same else _encoder(wanted, "enc1", wanted.text("enc1_network"))
    enc_dim, tied = wanted.integer("enc_dim"), wanted.flag("tied_token_embedding_weight")
    first, second = _fitted(first, enc_dim), _fitted(second, enc_dim)
    _check_tied(tied, first, second)
    _check_lazy(wanted)
    return NetworkSettings(
        (first, second),
        enc_dim,
        tuple(wanted.listed("comparator_list")),
        wanted.integer("mlp_layers"),
        wanted.integer("mlp_dim"),
        wanted.text("mlp_activation"),
        1 if wanted.text("output_layer") == "mean_squared_error" else wanted.integer("num_classes"),
        wanted.number("dropout"),
        tied,
    )


def _encoder(wanted: Hyperparameters, name: str, network: str) -> EncoderSettings:
    return EncoderSettings(
        network,
        wanted.integer(f"{name}_layers", _LAYERS[network]),
        wanted.integer(f"{name}_vocab_size"),
        wanted.integer(f"{name}_max_seq_len"),
        wanted.integer(f"{name}_token_embedding_dim"),
        wanted.integer(f"{name}_cnn_filter_width"),
        wanted.flag(f"{name}_freeze_pretrained_embedding"),
        _file_name(wanted, f"{name}_pretrained_embedding_file"),
        _file_name(wanted, f"{name}_vocab_file"),
    )


def _file_name(wanted: Hyperparameters, name: str) -> str:
    text = wanted.text(name).strip('"')
    if not _FILE_NAME.fullmatch(text) or text in (".", ".."):
        raise ClientError(f"{name} must be a file name of alphanumeric characters, underscores and periods, not {text!r}")
    return text


def _fitted(encoder: EncoderSettings, enc_dim: int) -> EncoderSettings:
    """The mean of token vectors has their width, so they get the encoder's (the log line is AWS's)."""
    if encoder.network != POOLED or encoder.token_embedding_dim == enc_dim:
        return encoder
    log.info(
        "Inconsistent enc_dim and token_embedding_dim found for token-embedding-encoder: "
        f"{enc_dim} vs {encoder.token_embedding_dim}. Setting token embedding dim to be {enc_dim}"
    )
    return replace(encoder, token_embedding_dim=enc_dim)


def _check_tied(tied: bool, first: EncoderSettings, second: EncoderSettings) -> None:
    for what in ("vocab_size", "token_embedding_dim", "embedding_file"):
        values = getattr(first, what), getattr(second, what)
        if tied and values[0] != values[1]:
            raise ClientError(
                f"tied_token_embedding_weight needs the same {what} for both encoders, not {values[0]!r} and {values[1]!r}"
            )


def _check_lazy(wanted: Hyperparameters) -> None:
    lazy, optimizer = wanted.text("token_embedding_storage_type") == "row_sparse", wanted.text("optimizer")
    if lazy and optimizer not in _LAZY_OPTIMIZERS:
        raise ClientError(
            f"token_embedding_storage_type row_sparse needs one of the optimizers {', '.join(_LAZY_OPTIMIZERS)}, not {optimizer}"
        )
