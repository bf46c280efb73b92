"""The model's files: ``model_algo-1`` describes it, ``model_algo-1-0000.params`` holds its weights as an MXNet NDArray list."""

from __future__ import annotations

from pathlib import Path

import orjson
import torch

from sagewright_algorithms.common import ndarray_file
from sagewright_algorithms.common.job import MODEL, Job
from sagewright_algorithms.common.model_file import find
from sagewright_algorithms.forecasting_deepar.design import Design
from sagewright_algorithms.forecasting_deepar.network import Network

_WEIGHTS = "-0000.params"


def write(job: Job, design: Design, network: Network) -> None:
    """Both files."""
    job.write_model(orjson.dumps(design.document()))
    weights = {name: value.cpu().numpy() for name, value in network.state_dict().items()}
    job.write_model(ndarray_file.dump(weights), MODEL + _WEIGHTS)


def read(folder: Path) -> tuple[Design, Network]:
    """Raises OSError, ValueError."""
    path = find(folder)
    design = Design.of_document(orjson.loads(path.read_bytes()))
    network = Network(design)
    arrays = ndarray_file.load((folder / (path.name + _WEIGHTS)).read_bytes())
    try:
        network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
    except RuntimeError as error:
        raise ValueError(f"the weights do not fit the model's description: {error}") from error
    return design, network
