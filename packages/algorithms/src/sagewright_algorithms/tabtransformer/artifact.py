"""The artifact: ``model.pt`` (weights only) and ``model.json`` (everything else). AWS's layout is not known."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from sagewright_algorithms.jumpstart.labels import Label
from sagewright_algorithms.tabtransformer.encoding import Encoding
from sagewright_algorithms.tabtransformer.network import Shape, TabTransformer

WEIGHTS, FACTS = "model.pt", "model.json"


@dataclass(frozen=True, slots=True)
class Facts:
    """``classes`` is None for regression, whose outputs are to be multiplied by ``scale`` and moved by ``mean``."""

    encoding: Encoding
    classes: list[Label] | None
    mean: float
    scale: float
    shape: Shape


def write(folder: Path, network: TabTransformer, facts: Facts) -> None:
    """Weights on the CPU, wherever they were trained."""
    torch.save({name: weight.cpu() for name, weight in network.state_dict().items()}, folder / WEIGHTS)
    (folder / FACTS).write_text(json.dumps(asdict(facts)), encoding="utf-8")


def read(folder: Path) -> tuple[TabTransformer, Facts]:
    """Raises OSError, ValueError, KeyError, TypeError, RuntimeError, UnpicklingError when this is no such model."""
    document = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    found = document["encoding"]
    vocabularies = {int(position): codes for position, codes in found["vocabularies"].items()}
    encoding = Encoding(int(found["width"]), vocabularies, found["means"], found["scales"])
    facts = Facts(encoding, document["classes"], document["mean"], document["scale"], Shape(**document["shape"]))
    network = TabTransformer(facts.shape)
    network.load_state_dict(torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True))
    return network.eval(), facts
