"""An algorithm's case in a container of its own: fed, trained, served. With an image of the algorithm's, or in JumpStart form."""

from __future__ import annotations

import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sagewright_algorithms.manifest import Manifest
from sagewright_algorithms.manifest import load as load_manifest
from support import jumpstart_jobs
from support.cases import Case, Channel, Invoke
from support.ml_root import MlRoot, Served


class CaseContainer(ABC):
    """One algorithm on one /opt/ml."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.manifest: Manifest = load_manifest(case.algorithm)
        self.root = MlRoot(folder / "ml")

    def given(
        self, hyperparameters: dict[str, str | None] | None = None, channels: dict[str, Channel | None] | None = None
    ) -> None:
        """The case's own job but for what is named; None leaves it out."""
        wanted = {**self.case.hyperparameters, **(hyperparameters or {})}
        data = {**self.case.channels, **(channels or {})}
        self._prepare(
            {name: value for name, value in wanted.items() if value is not None},
            {name: channel for name, channel in data.items() if channel is not None},
        )

    def train(self) -> str:
        """The log of a job that succeeds, its tabs as CloudWatch shows them."""
        done = self._run()
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout.replace("\t", "#011")

    def fails(self, words: str) -> str:
        """The job ends in these words, without a traceback and without a model; the whole reason."""
        done = self._run()
        assert done.returncode != 0, done.stdout[-3000:]
        reason = self.root.failure()
        assert words in reason
        assert "Traceback" not in done.stderr
        assert not reason.startswith("Traceback")
        assert not self.model()
        return reason

    def model(self) -> dict[str, bytes]:
        """The artifact's files by path."""
        folder = self.root.folder / "model"
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    @abstractmethod
    def serving(self) -> AbstractContextManager[Served]:
        """The artifact as an endpoint."""

    @abstractmethod
    def _prepare(self, hyperparameters: Mapping[str, str], channels: Mapping[str, Channel]) -> None: ...

    @abstractmethod
    def _run(self) -> subprocess.CompletedProcess[str]: ...


class OwnContainer(CaseContainer):
    """With the algorithm's own image."""

    @contextmanager
    def serving(self) -> Iterator[Served]:
        with self.root.serving(SAGEWRIGHT_ALGORITHM=self.case.algorithm, **self.case.environment) as served:
            yield served

    def _prepare(self, hyperparameters: Mapping[str, str], channels: Mapping[str, Channel]) -> None:
        for name, channel in channels.items():
            for path, content in channel.files.items():
                self.root.write(f"input/data/{name}/{path}", content)
        self.root.configure(hyperparameters, **{name: channel.content_type for name, channel in channels.items()})
        file = self.root.folder / "input/config/inputdataconfig.json"
        config = json.loads(file.read_text())
        for name, channel in channels.items():
            config[name]["S3DistributionType"] = channel.distribution
        file.write_text(json.dumps(config))

    def _run(self) -> subprocess.CompletedProcess[str]:
        return self.root.train(SAGEWRIGHT_ALGORITHM=self.case.algorithm, **self.case.environment)


class JumpStartContainer(CaseContainer):
    """With a framework's image and JumpStart's scripts."""

    def fails(self, words: str) -> str:
        reason = super().fails(words)
        assert reason.startswith("ClientError: ")
        assert "Traceback" not in reason
        return reason

    def serving(self) -> AbstractContextManager[Served]:
        return jumpstart_jobs.serving(self.root, jumpstart_jobs.image(self.case))

    def _prepare(self, hyperparameters: Mapping[str, str], channels: Mapping[str, Channel]) -> None:
        jumpstart_jobs.prepare(self.root, self.case.algorithm, self.case.model_id, hyperparameters, channels)

    def _run(self) -> subprocess.CompletedProcess[str]:
        return jumpstart_jobs.train(self.root, self.case.algorithm, self.case.model_id)


def invoke(served: Served) -> Invoke:
    """As a case's check calls an endpoint."""

    def asked(content_type: str, body: bytes, accept: str) -> bytes:
        answer = served.invoke(body, content_type, **({"Accept": accept} if accept else {}))
        assert answer.status == 200, answer.body
        return answer.body

    return asked
