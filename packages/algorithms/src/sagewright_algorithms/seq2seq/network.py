"""The whole network, and how its weights start."""

from __future__ import annotations

from torch import Tensor, nn

from sagewright_algorithms.common.sequences import Sequences
from sagewright_algorithms.seq2seq.convolutional_decoder import ConvolutionalDecoder
from sagewright_algorithms.seq2seq.decoders import Context, Decoder
from sagewright_algorithms.seq2seq.encoders import encoder
from sagewright_algorithms.seq2seq.layers import padded
from sagewright_algorithms.seq2seq.recurrent_decoder import RecurrentDecoder
from sagewright_algorithms.seq2seq.settings import RNN, NetworkSettings


class Network(nn.Module):
    """Encoder, decoder, and the layer that tells words."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = encoder(settings)
        self.decoder: Decoder = RecurrentDecoder(settings) if settings.decoder_type == RNN else ConvolutionalDecoder(settings)
        self.words = nn.Linear(settings.decoder_width, settings.target_vocab)

    def read(self, sources: Sequences) -> Context:
        """What the decoder starts from. No source may be empty."""
        ids, present = padded(sources, self.words.weight.device)
        return self.decoder.context(self.encoder(ids, present))

    def forward(self, sources: Sequences, targets: Tensor) -> Tensor:
        """Logits [sequences, tokens, words] of the token after each of the targets [sequences, tokens]."""
        logits: Tensor = self.words(self.decoder(targets, self.read(sources)))
        return logits


def start(network: Network, kind: str, scale: float, factor: str) -> None:
    """MXNet's Uniform(scale), or its Xavier over the inputs (``in``), outputs or both of a layer; biases are zero."""
    for parameter in network.parameters():
        if parameter.dim() < 2:
            nn.init.zeros_(parameter)
            continue
        bound = scale
        if kind == "xavier":
            outputs, inputs = (length * parameter[0, 0].numel() for length in parameter.shape[:2])
            bound = (scale / {"in": inputs, "out": outputs, "avg": (inputs + outputs) / 2}[factor]) ** 0.5
        nn.init.uniform_(parameter, -bound, bound)
