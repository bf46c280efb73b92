"""Linear Learner is as good as the reference (algorithms/linear-learner.json, reference_quality), and selects as documented."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.metrics import precision_score, recall_score, roc_auc_score
from sklearn.model_selection import train_test_split
from support.ml_root import MlRoot
from support.numpy_jobs import answers, fit

from sagewright_algorithms.common import ndarray_file

Table = NDArray[Any]
BINARY = {"predictor_type": "binary_classifier", "mini_batch_size": "32"}


class Job:
    """A trained model and a quarter of the rows to judge it by."""

    def __init__(self, folder: Path, loader: Any, given: dict[str, str], *, validated: bool = False) -> None:
        features, labels = loader(return_X_y=True)
        stratify = labels if "classifier" in given["predictor_type"] else None
        train, self.rows, targets, self.labels = train_test_split(
            features, labels, test_size=0.25, random_state=0, stratify=stratify
        )
        table = np.column_stack([targets, train])
        held = len(table) // 4 if validated else 0
        self.root = MlRoot(folder / "ml")
        self.lines = fit(
            self.root,
            "linear-learner",
            given,
            label_size=1,
            train=table[held:],
            validation=table[:held] if validated else None,
            test=np.column_stack([self.labels, self.rows]),
        )

    def metrics(self, split: str) -> dict[str, float]:
        pattern = rf"host=algo-1, {split} (\S+) <\w+>=(\S+)"
        return {name: float(value) for name, value in re.findall(pattern, "\n".join(self.lines))}

    def predictions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(answers(self.root, "linear-learner", self.rows))["predictions"]
        return found


def test_breast_cancer(tmp_path: Path) -> None:
    """AUC at least 0.985, accuracy at least 0.94; the endpoint answers what the test channel said."""
    job = Job(tmp_path, load_breast_cancer, BINARY)
    found = job.metrics("test")
    assert found["roc_auc_score"] >= 0.985
    assert found["binary_classification_accuracy"] >= 0.94
    predictions = job.predictions()
    assert [list(item) for item in predictions[:1]] == [["score", "predicted_label"]]
    assert roc_auc_score(job.labels, [item["score"] for item in predictions]) == pytest.approx(found["roc_auc_score"])
    labels = np.array([item["predicted_label"] for item in predictions])
    assert np.mean(labels == job.labels) == pytest.approx(found["binary_classification_accuracy"])
    assert recall_score(job.labels, labels) == pytest.approx(found["recall"])
    assert precision_score(job.labels, labels) == pytest.approx(found["precision"])
    assert all(isinstance(item["predicted_label"], int) for item in predictions)


def test_digits(tmp_path: Path) -> None:
    """Accuracy at least 0.94."""
    given = {"predictor_type": "multiclass_classifier", "num_classes": "10", "mini_batch_size": "100"}
    job = Job(tmp_path, load_digits, given)
    found = job.metrics("test")
    assert found["multiclass_accuracy"] >= 0.94
    assert found["multiclass_top_k_accuracy_3"] >= 0.99
    predictions = job.predictions()
    assert np.mean([item["predicted_label"] for item in predictions] == job.labels) == pytest.approx(
        found["multiclass_accuracy"]
    )
    assert sum(predictions[0]["score"]) == pytest.approx(1, abs=1e-5)


def test_diabetes(tmp_path: Path) -> None:
    """RMSE at most 58.5."""
    job = Job(tmp_path, load_diabetes, {"predictor_type": "regressor", "mini_batch_size": "20"})
    found = job.metrics("test")
    assert found["rmse"] <= 58.5
    assert found["rmse"] ** 2 == pytest.approx(found["mse"])
    predictions = job.predictions()
    assert list(predictions[0]) == ["score"]
    assert np.sqrt(np.mean((np.array([item["score"] for item in predictions]) - job.labels) ** 2)) == pytest.approx(
        found["rmse"]
    )


@pytest.mark.parametrize(
    "loss",
    ["absolute_loss", "eps_insensitive_squared_loss", "eps_insensitive_absolute_loss", "quantile_loss", "huber_loss"],
)
def test_losses_of_regression(tmp_path: Path, loss: str) -> None:
    job = Job(tmp_path, load_diabetes, {"predictor_type": "regressor", "mini_batch_size": "20", "loss": loss})
    assert job.metrics("test")["rmse"] <= 60
    assert f"{loss}_objective" in job.metrics("train")


def test_a_quantile_lies_where_it_should(tmp_path: Path) -> None:
    given = {"predictor_type": "regressor", "mini_batch_size": "20", "loss": "quantile_loss", "quantile": "0.9", "epochs": "40"}
    job = Job(tmp_path, load_diabetes, given)
    below = np.mean(job.labels < np.array([item["score"] for item in job.predictions()]))
    assert 0.82 <= below <= 0.97


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_optimizers(tmp_path: Path, optimizer: str) -> None:
    job = Job(tmp_path, load_breast_cancer, {**BINARY, "optimizer": optimizer})
    assert job.metrics("test")["roc_auc_score"] >= 0.985


def test_hinge_loss_answers_margins(tmp_path: Path) -> None:
    job = Job(tmp_path, load_breast_cancer, {**BINARY, "loss": "hinge_loss"})
    assert job.metrics("test")["roc_auc_score"] >= 0.985
    scores = [item["score"] for item in job.predictions()]
    assert min(scores) < -1 < 1 < max(scores)


@pytest.mark.parametrize(
    ("criterion", "more", "metric", "least"),
    [
        ("precision_at_target_recall", {"target_recall": "0.99"}, "recall", 0.99),
        ("recall_at_target_precision", {"target_precision": "0.99"}, "precision", 0.99),
        ("f_beta", {"f_beta": "2"}, "binary_f_2.000", 0.97),
        ("accuracy", {}, "binary_classification_accuracy", 0.97),
        ("loss_function", {}, "roc_auc_score", 0.99),
    ],
)
def test_criteria_hold_on_the_data_they_select_by(
    tmp_path: Path, criterion: str, more: dict[str, str], metric: str, least: float
) -> None:
    """DG linear-learner: the threshold and the model are chosen on the validation channel."""
    job = Job(
        tmp_path,
        load_breast_cancer,
        {**BINARY, "binary_classifier_model_selection_criteria": criterion, **more},
        validated=True,
    )
    assert job.metrics("validation")[metric] >= least
    assert f"{metric} <score>" in "\n".join(job.lines)


def test_rare_positives_weigh_more(tmp_path: Path) -> None:
    """positive_example_weight_mult: at a fixed threshold a balanced model finds at least as many positives."""

    def imbalanced(**how: bool) -> tuple[Table, Table]:
        features, labels = load_breast_cancer(**how)
        kept = np.concatenate([np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)[:25]])
        return features[kept][:, :3], 1 - labels[kept]

    given = {**BINARY, "binary_classifier_model_selection_criteria": "loss_function"}
    plain = Job(tmp_path / "plain", imbalanced, given).metrics("train")["recall"]
    balanced = Job(tmp_path / "balanced", imbalanced, {**given, "positive_example_weight_mult": "balanced"})
    assert balanced.metrics("train")["recall"] > plain


def test_l1_makes_weights_vanish(tmp_path: Path) -> None:
    job = Job(tmp_path, load_breast_cancer, {**BINARY, "l1": "0.1", "num_models": "1"})
    assert (weights(job.root) == 0).mean() > 0.3


def weights(root: MlRoot) -> Table:
    with zipfile.ZipFile(root.folder / "model" / "model_algo-1") as archive:
        return ndarray_file.load(archive.read("mx-mod-0000.params"))["arg:fc0_weight"]


def test_artifact_and_epochs(tmp_path: Path) -> None:
    """The ZIP of AWS's sheet; a metric line for each model and epoch; patience ends the job early."""
    given = {**BINARY, "epochs": "50", "early_stopping_patience": "1", "early_stopping_tolerance": "0.5"}
    job = Job(tmp_path, load_breast_cancer, given, validated=True)
    with zipfile.ZipFile(job.root.folder / "model" / "model_algo-1") as archive:
        assert set(archive.namelist()) == {
            "additional-params.json",
            "manifest.json",
            "mx-mod-symbol.json",
            "mx-mod-0000.params",
        }
        assert json.loads(archive.read("mx-mod-symbol.json"))["heads"] == [[4, 0, 0]]
    assert weights(job.root).shape == (1, 30)
    documents = [json.loads(line.removeprefix("#metrics ")) for line in job.lines if line.startswith("#metrics ")]
    pairs = {(item["Dimensions"].get("epoch"), item["Dimensions"].get("model")) for item in documents}
    assert {(0, model) for model in range(32)} <= pairs
    epochs = {epoch for epoch, _ in pairs if epoch is not None}
    assert len(epochs) < 20
    assert "Early stop condition met" in "\n".join(job.lines)


@pytest.mark.parametrize(
    ("given", "labels", "message"),
    [
        ({"predictor_type": "binary_classifier"}, [0, 2], "Labels of a binary_classifier must be 0 or 1"),
        ({"predictor_type": "multiclass_classifier"}, [0, 1], "'num_classes' is a required property"),
        (
            {"predictor_type": "multiclass_classifier", "num_classes": "3"},
            [0, 3],
            "whole numbers from 0 to num_classes - 1 = 2",
        ),
        ({"predictor_type": "multiclass_classifier", "num_classes": "3"}, [0, 0.5], "whole numbers"),
        ({"predictor_type": "regressor", "loss": "logistic"}, [0, 1], "is not supported for predictor_type regressor"),
        ({"predictor_type": "clusterer"}, [0, 1], "'clusterer' is not one of"),
        ({"predictor_type": "regressor", "learning_rate": "0"}, [0, 1], "is not valid under any of the given schemas"),
        ({"predictor_type": "regressor", "normalize_data": "maybe"}, [0, 1], "'maybe' is not one of ['auto', 'true', 'false']"),
    ],
)
def test_what_cannot_be_trained(tmp_path: Path, given: dict[str, str], labels: list[float], message: str) -> None:
    root = MlRoot(tmp_path / "ml")
    with pytest.raises(AssertionError):
        fit(root, "linear-learner", given, label_size=1, train=np.column_stack([labels, [1.0, 2.0]]))
    assert root.failure().startswith("ClientError: ")
    assert message in root.failure()


def test_a_tuning_job_trains_one_model(tmp_path: Path) -> None:
    job = Job(tmp_path, load_breast_cancer, {**BINARY, "_tuning_objective_metric": "test:roc_auc_score", "epochs": "2"})
    assert "Selected model 0 of 1:" in "\n".join(job.lines)
