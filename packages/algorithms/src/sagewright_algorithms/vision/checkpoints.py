"""The state of an interrupted training: the newest file of the checkpoint folder, as torch writes it (read without pickled code)."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from sagewright_algorithms.common.checkpoint_folder import find, write_whole
from sagewright_algorithms.common.cluster import ALONE, Cluster
from sagewright_algorithms.common.errors import ClientError
from sagewright_container.layout import Layout

_SUFFIX = ".checkpoint"
# What torch's reader raises for bytes that are no checkpoint.
_MALFORMED = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    RuntimeError,
    EOFError,
    pickle.UnpicklingError,
)


class Checkpoints:
    """Files ``<name>-0007.checkpoint`` after 7 epochs; only the newest stays. No folder, no checkpoints.

    ``identity`` is what must be the same for a state to fit: the hyperparameters that define the model. Of several instances
    the first writes; all of them find its files when a job is started again, for they share one place in S3.
    """

    def __init__(self, layout: Layout, name: str, identity: Mapping[str, Any], cluster: Cluster = ALONE) -> None:
        self._folder, self._name, self._identity, self._cluster = find(layout), name, dict(identity), cluster

    def newest(self) -> tuple[int, dict[str, Any]] | None:
        """Epochs done and the state that was saved then, None when there is nothing to go on from. Raises ClientError."""
        found = self._files()
        here = int(self._number(found[-1])) if found else 0
        if self._cluster.most(here) != here:
            raise ClientError(f"The checkpoint after {self._cluster.most(here)} epochs is not there on every instance")
        if not found:
            return None
        try:
            saved: dict[str, Any] = torch.load(found[-1], "cpu", weights_only=True)
            identity, epochs, state = dict(saved["identity"]), int(saved["epochs"]), dict(saved["state"])
        except _MALFORMED as error:
            raise ClientError(f"The checkpoint {found[-1].name} cannot be read: {error}") from error
        if identity != self._identity:
            raise ClientError(f"The checkpoint {found[-1].name} is of another model: {identity} instead of {self._identity}")
        return epochs, state

    def save(self, epochs: int, state: Mapping[str, Any]) -> None:
        """After ``epochs`` epochs: tensors, numbers, texts, lists and dicts of them."""
        if self._folder is None or not self._cluster.leads:
            return
        old, buffer = self._files(), BytesIO()
        torch.save({"identity": self._identity, "epochs": epochs, "state": dict(state)}, buffer)
        current = self._folder / f"{self._name}-{epochs:04d}{_SUFFIX}"
        write_whole(current, buffer.getvalue())
        for path in old:
            if path != current:
                path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        """Oldest first."""
        if self._folder is None:
            return []
        found = [path for path in self._folder.glob(f"{self._name}-*{_SUFFIX}") if self._number(path).isdigit()]
        return sorted(found, key=lambda path: int(self._number(path)))

    def _number(self, path: Path) -> str:
        return path.name.removeprefix(f"{self._name}-").removesuffix(_SUFFIX)
