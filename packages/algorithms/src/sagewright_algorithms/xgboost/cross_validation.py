"""``_kfold``: k models, each validated on the part of the rows it did not see; ``_num_cv_round`` repeats with other splits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.common.checkpoint_folder import write_whole
from sagewright_algorithms.xgboost.boosting import Scores, Watched, boost, evaluation_line
from sagewright_algorithms.xgboost.hyperparameters import Hyperparameters
from sagewright_algorithms.xgboost.log import info
from sagewright_algorithms.xgboost.matrix import Matrix
from sagewright_algorithms.xgboost.model_file import MODEL_NAME, dump

Rows = npt.NDArray[np.int64]


def cross_validate(wanted: Hyperparameters, data: Matrix, model: Path, output: Path) -> None:
    """Writes ``xgboost-model-<fold>`` and predictions.csv: label, then the mean out-of-fold prediction(s)."""
    labels = np.asarray(data.info("label"))
    predictions: npt.NDArray[np.float64] | None = None
    scores: list[Scores] = []
    for fold, (train, validation) in enumerate(_splits(wanted, labels)):
        info(f"Train cross validation fold {fold % (wanted.kfold or 1) + 1}")
        held_out = data.slice(validation.tolist())
        watched = [Watched(data.slice(train.tolist()), "train"), Watched(held_out, "validation")]
        boosted = boost(wanted, watched, lambda booster, round_: None)
        write_whole(model / f"{MODEL_NAME}-{fold}", dump(boosted.booster, wanted.version))
        scores.append(boosted.scores)
        predicted = boosted.booster.predict(held_out)
        if predictions is None:
            predictions = np.zeros((len(labels), predicted.width))
        predictions[validation] += np.reshape(predicted.values, (-1, predicted.width)) / wanted.num_cv_round
    _report(wanted, scores)
    output.mkdir(parents=True, exist_ok=True)
    if predictions is not None:
        np.savetxt(output / "predictions.csv", np.column_stack([labels, predictions]), delimiter=",", fmt="%f")


def _report(wanted: Hyperparameters, scores: list[Scores]) -> None:
    """One last line in the form of a round: the mean over the folds. A tuning job reads it."""
    info(f"The final metrics of cross validation with {wanted.kfold} folds, {wanted.num_cv_round} rounds")
    means = {key: float(np.mean([each[key] for each in scores])) for key in scores[0]}
    print(evaluation_line(wanted.num_round, means), flush=True)


def _splits(wanted: Hyperparameters, labels: npt.NDArray[np.float64]) -> Iterator[tuple[Rows, Rows]]:
    """(train rows, validation rows) of every fold of every repetition; classes are spread evenly."""
    folds = wanted.kfold or 1
    classified = wanted.objective.startswith(("binary:", "multi:"))
    for repetition in range(wanted.num_cv_round):
        order = np.random.default_rng(wanted.seed + repetition).permutation(len(labels))
        if classified:
            order = order[np.argsort(labels[order], kind="stable")]
        fold_of = np.empty(len(labels), np.int64)
        fold_of[order] = np.arange(len(labels)) % folds
        for fold in range(folds):
            yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
