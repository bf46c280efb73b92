"""Models of the XGBoost container are as good as the reference and the same as the library's (algorithms/xgboost.json, reference_quality; H03, H04)."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import xgboost
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from support.ml_root import MlRoot

Floats = npt.NDArray[np.float64]


class Split:
    """Rows to train on and rows to judge by, as the container reads them."""

    def __init__(self, features: Floats, labels: Floats, stratified: bool) -> None:
        parts = train_test_split(features, labels, test_size=0.25, random_state=0, stratify=labels if stratified else None)
        self.train, self.test, self.train_labels, self.test_labels = parts


def fit(folder: Path, split: Split, **hyperparameters: str) -> tuple[xgboost.Booster, list[str]]:
    """Trains in the container; the model by stock xgboost, and the evaluation lines."""
    root = MlRoot(folder / "ml")
    for name, labels, features in (("train", split.train_labels, split.train), ("validation", split.test_labels, split.test)):
        (root.folder / "input" / "data" / name).mkdir(parents=True)
        np.savetxt(
            root.folder / "input" / "data" / name / "a.csv", np.column_stack([labels, features]), delimiter=",", fmt="%.9g"
        )
    root.configure(hyperparameters, train="text/csv", validation="text/csv")
    done = root.train(SAGEWRIGHT_ALGORITHM="xgboost")
    assert done.returncode == 0, done.stdout + done.stderr
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the name has no suffix
        model = xgboost.Booster(model_file=root.folder / "model" / "xgboost-model")
    return model, [line for line in done.stdout.splitlines() if "\t" in line]


def test_breast_cancer(tmp_path: Path) -> None:
    """100 rounds of depth 6: AUC 0.984, logloss 0.170 in the reference; must reach 0.975."""
    split = Split(*load_breast_cancer(return_X_y=True), stratified=True)
    model, lines = fit(
        tmp_path, split, num_round="100", max_depth="6", objective="binary:logistic", eval_metric="auc,logloss,f1"
    )
    predicted = model.predict(xgboost.DMatrix(split.test))
    assert roc_auc_score(split.test_labels, predicted) >= 0.975
    assert log_loss(split.test_labels, predicted) <= 0.25
    assert float(lines[-1].rpartition("validation-auc:")[2].partition("\t")[0]) == pytest.approx(
        roc_auc_score(split.test_labels, predicted), abs=1e-5
    )


def test_digits(tmp_path: Path) -> None:
    """merror 0.0356 in the reference; must stay below 0.05."""
    split = Split(*load_digits(return_X_y=True), stratified=True)
    model, lines = fit(
        tmp_path, split, num_round="60", objective="multi:softmax", num_class="10", eval_metric="merror,accuracy"
    )
    error = float(np.mean(model.predict(xgboost.DMatrix(split.test)) != split.test_labels))
    assert error <= 0.05
    assert f"validation-merror:{error:.5f}\tvalidation-accuracy:{1 - error:.5f}" in lines[-1]


@pytest.mark.parametrize("more", [{}, {"subsample": "0.7", "colsample_bytree": "0.8", "seed": "7"}], ids=["plain", "sampled"])
def test_diabetes_equals_the_library(tmp_path: Path, more: dict[str, str]) -> None:
    """50 rounds of depth 3, eta 0.1: RMSE equal to the library's to 1e-5 with the same seed, round by round."""
    split = Split(*load_diabetes(return_X_y=True), stratified=False)
    parameters = {"max_depth": "3", "eta": "0.1", "objective": "reg:squarederror", "eval_metric": "rmse", **more}
    model, lines = fit(tmp_path, split, num_round="50", **parameters)
    train = xgboost.DMatrix(np.float32(split.train), split.train_labels)
    test = xgboost.DMatrix(np.float32(split.test), split.test_labels)
    history: dict[str, dict[str, list[float]]] = {}
    evals = [(train, "train"), (test, "validation")]
    reference = xgboost.train(parameters, train, 50, evals=evals, evals_result=history, verbose_eval=False)
    ours = [float(line.rpartition("validation-rmse:")[2]) for line in lines]
    assert ours == pytest.approx(history["validation"]["rmse"], abs=1e-5)
    assert model.predict(test) == pytest.approx(reference.predict(test), abs=1e-3)


def test_class_weights_move_the_model_towards_the_rare_class(tmp_path: Path) -> None:
    """H04: scale_pos_weight > 1 weights the positive class."""
    features, labels = load_breast_cancer(return_X_y=True)
    split = Split(features, 1 - labels, stratified=True)
    shared = {"num_round": "5", "max_depth": "2", "objective": "binary:logistic"}
    plain, _ = fit(tmp_path / "plain", split, **shared)
    weighted, _ = fit(tmp_path / "weighted", split, **shared, scale_pos_weight="20")
    rows = xgboost.DMatrix(split.test)
    assert np.mean(weighted.predict(rows)) > np.mean(plain.predict(rows)) + 0.05
