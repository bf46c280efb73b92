"""Training and serving of a JumpStart model as its container does both: script mode with the scripts of the JumpStart bucket."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sagewright_algorithms.jumpstart import scripts
from sagewright_algorithms.manifest import load
from support.cases import Case, Channel
from support.ml_root import MlRoot, Served

PROGRAM = {"sagemaker_program": '"transfer_learning.py"', "sagemaker_container_log_level": "20"}
SOURCE = {"sagemaker_submit_directory": '"s3://jumpstart-cache-prod-us-west-2/sourcedir.tar.gz"'}
FRAMEWORK = "SAGEWRIGHT_FRAMEWORK"


def prepare(
    root: MlRoot, algorithm: str, model_id: str, hyperparameters: Mapping[str, str], channels: Mapping[str, Channel]
) -> None:
    """A job of the model on this root, ready to train."""
    shutil.rmtree(root.folder / "input", ignore_errors=True)
    root.archive("input/config/sourcedir.tar.gz", transfer_learning_py=scripts.training(algorithm, model_id))
    root.configure({**hyperparameters, **PROGRAM, **SOURCE}, **{name: given.content_type for name, given in channels.items()})
    for name, given in channels.items():
        for path, content in given.files.items():
            root.write(f"input/data/{name}/{path}", content)


def train(root: MlRoot, algorithm: str, model_id: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """To its end."""
    return root.train(timeout, **{FRAMEWORK: load(algorithm).model(model_id).image})


def fit(root: MlRoot, algorithm: str, model_id: str, hyperparameters: Mapping[str, str], **files: Mapping[str, bytes]) -> str:
    """Trains on channels of CSV files; the log of a job that succeeded."""
    prepare(root, algorithm, model_id, hyperparameters, {name: Channel("text/csv", given) for name, given in files.items()})
    done = train(root, algorithm, model_id)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@contextmanager
def serving(root: MlRoot, image: str = "pytorch") -> Iterator[Served]:
    """The artifact as an endpoint, with the environment that JumpStart's specifications give it; the job's input is gone."""
    shutil.rmtree(root.folder / "input", ignore_errors=True)
    environment = {
        FRAMEWORK: image,
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    }
    with root.serving(**environment) as served:
        yield served


def answer(served: Served, body: bytes, accept: str = "") -> dict[str, list[float]]:
    """The document of a 200."""
    found = served.invoke(body, **({"Accept": accept} if accept else {}))
    assert found.status == 200, found.body
    document: dict[str, list[float]] = json.loads(found.body)
    return document


def image(case: Case) -> str:
    """The framework image of a case's model."""
    return load(case.algorithm).model(case.model_id).image
