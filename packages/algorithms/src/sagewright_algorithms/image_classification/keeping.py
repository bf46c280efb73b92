"""Which parameters the artifact holds: those of the best epoch, or of every n-th (checkpoint_frequency)."""

from __future__ import annotations

import shutil
from pathlib import Path

from sagewright_algorithms.common import checkpoint_folder, log
from sagewright_algorithms.common.cluster import ALONE, Cluster
from sagewright_algorithms.image_classification import artifact
from sagewright_algorithms.image_classification.settings import Settings
from sagewright_algorithms.vision.resnet import Classifier
from sagewright_container.layout import Layout


class Keeper:
    """Writes to /opt/ml/model, and to the checkpoint folder, too: an interrupted job loses its /opt/ml/model.

    Of several instances the first one does; all are told of each epoch.
    """

    def __init__(self, layout: Layout, settings: Settings, model: Classifier, cluster: Cluster = ALONE) -> None:
        self._model, self._settings = model, settings
        checkpoints = checkpoint_folder.find(layout)
        self._folder, self._copies = layout.model, [] if checkpoints is None else [checkpoints]
        self._leads = cluster.leads
        self.best: float | None = None
        self._epochs = 0

    def after(self, epoch: int, accuracy: float) -> None:
        """After epoch ``epoch`` (from 0)."""
        self._epochs = epoch + 1
        better = self.best is None or accuracy > self.best
        self.best = accuracy if better else self.best
        frequency = self._settings.checkpoint_frequency
        if frequency:
            if self._epochs % frequency == 0:
                self._save()
        elif better:
            log.info(f"Storing the best model with validation accuracy: {accuracy:f}")
            self._save(only=True)

    def finish(self) -> None:
        """Training may have stopped before the first of every n epochs."""
        if not (self._folder / artifact.SYMBOL).is_file():
            self._save()

    def resume(self, epochs: int, best: float | None) -> None:
        """Brings back what an interrupted job had kept after so many epochs."""
        self._epochs, self.best = epochs, best
        if not self._leads:
            return
        for path in [path for folder in self._copies for path in folder.iterdir() if artifact.is_parameters(path.name)]:
            self._write_structure()
            shutil.copyfile(path, self._folder / path.name)

    def _save(self, only: bool = False) -> None:
        """``only``: what was there before goes."""
        if not self._leads:
            return
        name = artifact.parameters_name(self._epochs)
        self._write_structure()
        for folder in (*self._copies, self._folder):
            artifact.write_parameters(folder / name, self._model)
            if only:
                _remove_others(folder, name)
        log.info(f'Saved checkpoint to "/opt/ml/model/{name}"')

    def _write_structure(self) -> None:
        """Not before there are parameters: a job that fails leaves no part of a model."""
        wanted = self._settings
        artifact.write_structure(self._folder, self._model, wanted.shape, wanted.batch, multi_label=wanted.multi_label)


def _remove_others(folder: Path, name: str) -> None:
    for path in folder.iterdir():
        if artifact.is_parameters(path.name) and path.name != name:
            path.unlink()
