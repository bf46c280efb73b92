"""The artifact ``model_algo-1``: a ZIP of what the network looks like (JSON) and its arrays (an MXNet NDArray list)."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import torch

from sagewright_algorithms.common import ndarray_file
from sagewright_algorithms.object2vec.network import Network
from sagewright_algorithms.object2vec.settings import NetworkSettings

_SETTINGS, _PARAMETERS = "network.json", "network.params"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def dump(network: Network) -> bytes:
    """The same network gives the same bytes."""
    arrays = {name: parameter.detach().cpu().numpy() for name, parameter in network.named_parameters()}
    files = {
        _SETTINGS: json.dumps(network.settings.document()).encode(),
        _PARAMETERS: ndarray_file.dump(arrays),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return buffer.getvalue()


def load(content: bytes) -> Network:
    """Raises ValueError, KeyError when it is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            settings = NetworkSettings.of_document(json.loads(archive.read(_SETTINGS)))
            arrays = ndarray_file.load(archive.read(_PARAMETERS))
    except (zipfile.BadZipFile, TypeError) as error:
        raise ValueError(f"the model is not a ZIP of settings and parameters: {error}") from error
    network = Network(settings)
    for name, parameter in network.named_parameters():
        if arrays[name].shape != tuple(parameter.shape):
            raise ValueError(f"the array {name} of the model has the shape {arrays[name].shape}")
        parameter.data = torch.from_numpy(arrays[name].astype(np.float32))
    return network.eval().requires_grad_(False)
