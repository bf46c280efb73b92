"""Checkpoints ``xgboost-checkpoint.<n>`` (n: the last finished round), so that an interrupted job goes on where it was."""

from __future__ import annotations

from pathlib import Path

from sagewright_algorithms.common.checkpoint_folder import find, write_whole
from sagewright_algorithms.xgboost.booster import Booster
from sagewright_algorithms.xgboost.model_file import load
from sagewright_container.layout import Layout

_NAME = "xgboost-checkpoint"
_KEPT = 5


class Checkpoints:
    """The newest five in ``folder``; no folder, no checkpoints."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def newest(self) -> tuple[Booster, int] | None:
        """The model to go on from and the number of the next round. Raises ModelError when it cannot be read."""
        rounds = self._rounds()
        if self._folder is None or not rounds:
            return None
        return load((self._folder / f"{_NAME}.{rounds[-1]}").read_bytes()), rounds[-1] + 1

    def save(self, booster: Booster, round_: int) -> None:
        """Written beside and renamed: what is uploaded meanwhile is whole."""
        if self._folder is None:
            return
        write_whole(self._folder / f"{_NAME}.{round_}", booster.save())
        for old in self._rounds()[:-_KEPT]:
            (self._folder / f"{_NAME}.{old}").unlink(missing_ok=True)

    def _rounds(self) -> list[int]:
        if self._folder is None or not self._folder.is_dir():
            return []
        suffixes = [path.name.removeprefix(f"{_NAME}.") for path in self._folder.glob(f"{_NAME}.*")]
        return sorted(int(suffix) for suffix in suffixes if suffix.isdigit())


def configured(layout: Layout) -> Checkpoints:
    """In the job's checkpoint folder."""
    return Checkpoints(find(layout))
