"""What a trained model is beside its weights: the network's model id, and which class is which output."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from sagewright_algorithms.image_classification_tf.network import Network, architecture
from sagewright_algorithms.vision import described_weights


@dataclass(frozen=True, slots=True)
class Info:
    """``classes`` in the order of the outputs; ``binary``: one output, for the second class."""

    model_id: str
    classes: tuple[str, ...]
    binary: bool
    interpolation: str

    @property
    def outputs(self) -> int:
        """Logits of the network."""
        return 1 if self.binary else len(self.classes)


def write(folder: Path, network: Network, info: Info) -> None:
    """All files."""
    described_weights.write(folder, network.state_dict(), asdict(info), info.classes)


def read_info(folder: Path) -> Info:
    """Raises OSError, ValueError."""
    document = described_weights.read_info(folder)
    try:
        classes = tuple(str(name) for name in document["classes"])
        return Info(str(document["model_id"]), classes, bool(document["binary"]), str(document["interpolation"]))
    except (KeyError, TypeError) as error:
        raise described_weights.unknown() from error


def load(folder: Path) -> tuple[Network, Info]:
    """The network as it was trained. Raises OSError, ValueError."""
    info = read_info(folder)
    network = Network(architecture(info.model_id), info.outputs)
    described_weights.fill(network, folder)
    return network, info
