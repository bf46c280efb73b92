"""The TabTransformer endpoint of JumpStart: probabilities of the classes, or predictions (DG:tabtransformer)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from sagewright_algorithms.common import accelerator
from sagewright_algorithms.jumpstart.endpoint import JumpStartEndpoint
from sagewright_algorithms.jumpstart.rows import Rows
from sagewright_algorithms.jumpstart.tabular import TabularModel
from sagewright_algorithms.manifest import load as load_manifest
from sagewright_algorithms.tabtransformer import artifact
from sagewright_algorithms.tabtransformer.artifact import Facts
from sagewright_algorithms.tabtransformer.network import TabTransformer

_ROWS_AT_ONCE = 4096


def endpoint(folder: Path) -> JumpStartEndpoint:
    """Raises what artifact.read does when there is no model that this algorithm trained."""
    device = accelerator.prepare(threads=1)  # a request's products are too small for more
    network, facts = artifact.read(folder)
    predict = _Predictor(network.to(device), facts, device)
    model = TabularModel(predict, facts.encoding.width, tuple(facts.encoding.vocabularies), facts.classes)
    return JumpStartEndpoint(model, load_manifest("tabtransformer").inference)


class _Predictor:
    def __init__(self, network: TabTransformer, facts: Facts, device: torch.device) -> None:
        self._network = network
        self._facts = facts
        self._device = device

    def __call__(self, rows: Rows) -> npt.NDArray[np.float64]:
        codes, numbers = (torch.from_numpy(part) for part in self._facts.encoding.rows(rows))
        pairs = zip(torch.split(codes, _ROWS_AT_ONCE), torch.split(numbers, _ROWS_AT_ONCE), strict=True)
        with torch.inference_mode():
            outputs = torch.cat(
                [self._network(first.to(self._device), second.to(self._device)).cpu() for first, second in pairs]
            )
        if self._facts.classes is not None:
            return outputs.double().softmax(1).numpy()
        return outputs[:, 0].double().numpy() * self._facts.scale + self._facts.mean
