"""What the network looks like, from the hyperparameters and in the artifact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters

RNN, CNN = "rnn", "cnn"


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Names are those of the hyperparameters (DG:seq-2-seq-hyperparameters); ``…_vocab`` are the numbers of words."""

    source_vocab: int
    target_vocab: int
    encoder_type: str
    decoder_type: str
    num_layers_encoder: int
    num_layers_decoder: int
    num_embed_source: int
    num_embed_target: int
    max_seq_len_source: int
    max_seq_len_target: int
    embed_dropout_source: float
    embed_dropout_target: float
    rnn_cell_type: str
    rnn_num_hidden: int
    rnn_residual_connections: bool
    rnn_first_residual_layer: int
    rnn_attention_type: str
    rnn_attention_num_hidden: int
    rnn_attention_in_upper_layers: bool
    rnn_decoder_state_init: str
    rnn_decoder_hidden_dropout: float
    cnn_num_hidden: int
    cnn_kernel_width_encoder: int
    cnn_kernel_width_decoder: int
    cnn_activation_type: str
    cnn_hidden_dropout: float

    @property
    def memory_width(self) -> int:
        """Of the encoder's vectors."""
        return self.rnn_num_hidden if self.encoder_type == RNN else self.cnn_num_hidden

    @property
    def decoder_width(self) -> int:
        """Of the vectors that words are told from."""
        return self.rnn_num_hidden if self.decoder_type == RNN else self.cnn_num_hidden

    def residual(self, layer: int) -> bool:
        """Whether a recurrent layer (from 1) adds what came in to what goes out."""
        return self.rnn_residual_connections and layer >= max(2, self.rnn_first_residual_layer)

    def document(self) -> dict[str, Any]:
        """For the artifact."""
        return asdict(self)

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> NetworkSettings:
        """Raises TypeError when it is none."""
        return cls(**document)


def resolve(wanted: Hyperparameters, source_vocab: int, target_vocab: int) -> NetworkSettings:
    """Raises ClientError when hyperparameters contradict each other."""
    hidden = wanted.integer("rnn_num_hidden")
    if hidden % 2:
        raise ClientError(f"rnn_num_hidden must be a multiple of 2: the encoder reads in both directions; it is {hidden}")
    if wanted.is_set("momentum") and wanted.text("optimizer_type") != "sgd":
        raise ClientError(f"momentum is for the optimizer sgd, not for {wanted.text('optimizer_type')}")
    return NetworkSettings(
        source_vocab,
        target_vocab,
        wanted.text("encoder_type"),
        wanted.text("decoder_type"),
        wanted.integer("num_layers_encoder"),
        wanted.integer("num_layers_decoder"),
        wanted.integer("num_embed_source"),
        wanted.integer("num_embed_target"),
        wanted.integer("max_seq_len_source"),
        wanted.integer("max_seq_len_target"),
        wanted.number("embed_dropout_source"),
        wanted.number("embed_dropout_target"),
        wanted.text("rnn_cell_type"),
        hidden,
        wanted.flag("rnn_residual_connections"),
        wanted.integer("rnn_first_residual_layer"),
        wanted.text("rnn_attention_type"),
        wanted.integer("rnn_attention_num_hidden", hidden),
        wanted.flag("rnn_attention_in_upper_layers"),
        wanted.text("rnn_decoder_state_init"),
        wanted.number("rnn_decoder_hidden_dropout"),
        wanted.integer("cnn_num_hidden"),
        wanted.integer("cnn_kernel_width_encoder"),
        wanted.integer("cnn_kernel_width_decoder"),
        wanted.text("cnn_activation_type"),
        wanted.number("cnn_hidden_dropout"),
    )
