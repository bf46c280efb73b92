"""Models of the first-party algorithms as one file: a ZIP of a JSON document and an MXNet list of parameters."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from sagewright_algorithms.common import ndarray_file
from sagewright_algorithms.common.ndarray_file import Array

_EPOCH = (1980, 1, 1, 0, 0, 0)


def dump(about: tuple[str, Mapping[str, Any]], parameters: tuple[str, Mapping[str, Array]]) -> bytes:
    """Each with the name of its file. The same model gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(about[0], _EPOCH), json.dumps(about[1]))
        archive.writestr(zipfile.ZipInfo(parameters[0], _EPOCH), ndarray_file.dump(parameters[1]), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def load(content: bytes, about: str, parameters: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """The document and the parameters of the files with these names. Raises ValueError, KeyError."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            arrays, document = ndarray_file.load(archive.read(parameters)), json.loads(archive.read(about))
    except zipfile.BadZipFile as error:
        raise ValueError(f"the model is not a ZIP: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"{about} of the model is not a JSON object")
    return document, arrays
