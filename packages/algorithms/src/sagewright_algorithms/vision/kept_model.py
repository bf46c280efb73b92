"""The files of the best model so far, in /opt/ml/model and beside the checkpoints: an interrupted job loses its /opt/ml/model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shutil import copyfile

from sagewright_algorithms.common import checkpoint_folder
from sagewright_algorithms.common.checkpoint_folder import write_whole
from sagewright_container.layout import Layout


class KeptModel:
    """``names`` are the files of the artifact."""

    def __init__(self, layout: Layout, names: Sequence[str]) -> None:
        self._folder, self._copy, self._names = layout.model, checkpoint_folder.find(layout), names

    def write(self, files: Mapping[str, bytes]) -> None:
        """Replaces what was there."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for folder in (self._copy, self._folder):
            if folder is not None:
                for name, content in files.items():
                    write_whole(folder / name, content)

    def restore(self) -> None:
        """Brings back what an interrupted job had kept."""
        if self._copy is None or not all((self._copy / name).is_file() for name in self._names):
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in self._names:
            copyfile(self._copy / name, self._folder / name)
