"""The artifact, in files named as Sockeye (on which AWS's container is built) names them.

``params.best`` is an MXNet NDArray list, ``config`` JSON; the vocabularies are those of the training job.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sagewright_algorithms.common import ndarray_file
from sagewright_algorithms.seq2seq.lengths import LengthRatio
from sagewright_algorithms.seq2seq.network import Network
from sagewright_algorithms.seq2seq.settings import NetworkSettings
from sagewright_algorithms.seq2seq.translator import Translator
from sagewright_algorithms.seq2seq.vocabulary import SOURCE_FILE, TARGET_FILE, Vocabulary

PARAMETERS, CONFIG = "params.best", "config"


@dataclass(frozen=True, slots=True)
class Model:
    """What an endpoint needs."""

    translator: Translator
    source: Vocabulary
    target: Vocabulary


def parameters(network: Network) -> bytes:
    """The content of ``params.best``."""
    return ndarray_file.dump({name: item.detach().cpu().numpy() for name, item in network.named_parameters()})


def config(settings: NetworkSettings, beam: int, ratio: LengthRatio) -> bytes:
    """The content of ``config``."""
    document = {
        "network": settings.document(),
        "beam_size": beam,
        "length_ratio_mean": ratio.mean,
        "length_ratio_std": ratio.deviation,
    }
    return json.dumps(document, indent=2).encode()


def load(folder: Path, device: torch.device) -> Model:
    """Raises OSError, ValueError, KeyError."""
    document = json.loads((folder / CONFIG).read_bytes())
    try:
        network = Network(NetworkSettings.of_document(document["network"]))
        ratio = LengthRatio(float(document["length_ratio_mean"]), float(document["length_ratio_std"]))
        beam = int(document["beam_size"])
    except TypeError as error:
        raise ValueError(f"the config of the model is none: {error}") from error
    fill(network, (folder / PARAMETERS).read_bytes())
    source, target = (Vocabulary((folder / name).read_bytes()) for name in (SOURCE_FILE, TARGET_FILE))
    if (len(source), len(target)) != (network.settings.source_vocab, network.settings.target_vocab):
        raise ValueError("the vocabularies of the model do not fit its network")
    return Model(Translator(network.to(device).eval().requires_grad_(False), beam, ratio), source, target)


def fill(network: Network, content: bytes) -> None:
    """Parameters from ``params.best``. Raises ValueError, KeyError."""
    arrays = ndarray_file.load(content)
    for name, parameter in network.named_parameters():
        if arrays[name].shape != tuple(parameter.shape):
            raise ValueError(f"the array {name} of the model has the shape {arrays[name].shape}")
        parameter.data = torch.from_numpy(arrays[name].astype(np.float32)).to(parameter.device)
