"""Models to deploy without training one: trained here, on the default data, when somebody first asks for one.

Nobody else's weights are handed on. A small model on a small table takes seconds; the archive is kept in the data folder, and the
same training makes the same bytes, should it be lost.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from sagewright.base import files
from sagewright.jumpstart import archives, datasets
from sagewright.jumpstart.offers import Offer

_PATIENCE = 300.0
_PASSED_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "LANG")


class TrainingFailedError(Exception):
    """The text says why."""


class Pretrained:
    """The archives below one folder. ``close`` at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[Path, asyncio.Task[None]] = {}

    async def archive(self, offer: Offer) -> bytes:
        """model.tar.gz, with the script of the endpoint. Raises TrainingFailedError.

        Who asks while a training is under way waits for it; one who goes away does not end it.
        """
        file = self._folder / f"{offer.model.id}-{offer.model.version}.tar.gz"
        while not file.is_file():
            if file not in self._running:
                self._running[file] = asyncio.get_running_loop().create_task(self._make(offer, file))
            await asyncio.shield(self._running[file])
        return await asyncio.to_thread(file.read_bytes)

    async def close(self) -> None:
        """Ends trainings under way."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _make(self, offer: Offer, file: Path) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder) as folder:
                await asyncio.to_thread(_prepare, Path(folder), offer)
                await _train(Path(folder))
                packed = await asyncio.to_thread(_pack, Path(folder) / "model")
                await asyncio.to_thread(files.write, file, packed)
        finally:
            del self._running[file]


def _prepare(root: Path, offer: Offer) -> None:
    """/opt/ml of a training job with the algorithm's own defaults."""
    config = root / "input" / "config"
    config.mkdir(parents=True)
    (config / "sourcedir.tar.gz").write_bytes(archives.training_script(offer))
    hyperparameters = {
        "sagemaker_program": "transfer_learning.py",
        "sagemaker_submit_directory": "s3://jumpstart/sourcedir.tar.gz",
    }
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters), encoding="utf-8")
    (config / "inputdataconfig.json").write_text(json.dumps({"training": {"ContentType": "text/csv"}}), encoding="utf-8")
    for path, body in datasets.files(offer.model.dataset).items():
        target = root / "input" / "data" / "training" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)


async def _train(root: Path) -> None:
    environment = {name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ}
    environment |= {"SAGEWRIGHT_ML_ROOT": str(root), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with (root / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sagewright_container", "train", env=environment, cwd=root, stdout=log, stderr=log
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                code = await process.wait()
        except TimeoutError:
            raise TrainingFailedError(f"the training took longer than {_PATIENCE:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if code:
        failure = root / "output" / "failure"
        raise TrainingFailedError(failure.read_text(encoding="utf-8") if failure.is_file() else f"exit code {code}")


def _pack(model: Path) -> bytes:
    found = [path for path in model.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return archives.archive({str(path.relative_to(model)): path.read_bytes() for path in found})
