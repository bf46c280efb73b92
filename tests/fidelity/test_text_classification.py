"""Text classification against its pass mark, and incremental training (feature H23; docs/notes/algorithms.md)."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest
from support import jumpstart_jobs
from support.cases import Channel
from support.ml_root import MlRoot
from support.sentences import data_csv, sentences

TENSORFLOW, HUGGING_FACE = "tensorflow-tc-bert-en-uncased-L-12-H-768-A-12-2", "huggingface-tc-distilbert-base-cased"
TEXT = "application/x-text"


def fit(root: MlRoot, model_id: str, hyperparameters: dict[str, str], **channels: dict[str, bytes]) -> str:
    """The log of a job that succeeded."""
    given = {name: Channel("text/csv" if name != "model" else "", files) for name, files in channels.items()}
    jumpstart_jobs.prepare(root, "text-classification", model_id, hyperparameters, given)
    done = jumpstart_jobs.train(root, "text-classification", model_id)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def accuracy(root: MlRoot, count: int) -> float:
    """Of the endpoint, on sentences that it has not seen."""
    texts, labels = sentences(count, seed=9)
    with jumpstart_jobs.serving(root, "huggingface") as served:
        answers = [served.invoke(text.encode(), TEXT, Accept="application/json;verbose").body for text in texts]
    found = [re.search(rb'"predicted_label":(\d+)', answer) for answer in answers]
    return sum(int(match[1]) == label for match, label in zip(found, labels, strict=True) if match) / count


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model_id", "hyperparameters"),
    [(TENSORFLOW, {}), (HUGGING_FACE, {"epochs": "3", "adam-learning-rate": "0.001", "batch-size": "8"})],
)
def test_synthetic_sentences(tmp_path: Path, model_id: str, hyperparameters: dict[str, str]) -> None:
    """At least 0.98 on held-out sentences, with the defaults of the model's specification."""
    root = MlRoot(tmp_path / "ml")
    log = fit(root, model_id, hyperparameters, training={"data.csv": data_csv(*sentences(2000))})
    found = accuracy(root, 500)
    print(f"{model_id}: {found:.4f}\n{log[-200:]}")
    assert found >= 0.98


@pytest.mark.slow
def test_incremental_training(tmp_path: Path) -> None:
    """A job goes on from the artifact of another: accurate at once, where it would not be from nothing."""
    first, second = MlRoot(tmp_path / "first"), MlRoot(tmp_path / "second")
    fit(first, TENSORFLOW, {"epochs": "4"}, training={"data.csv": data_csv(*sentences(1000))})
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(first.folder / "model", ".")
    few = {"data.csv": data_csv(*sentences(40, seed=3))}
    given = {"epochs": "1", "learning_rate": "1e-5"}
    fit(second, TENSORFLOW, given, training=few, model={"model.tar.gz": packed.getvalue()})
    assert accuracy(second, 100) >= 0.98
    from_nothing = MlRoot(tmp_path / "nothing")
    fit(from_nothing, TENSORFLOW, given, training=few)
    assert accuracy(from_nothing, 100) < 0.9
