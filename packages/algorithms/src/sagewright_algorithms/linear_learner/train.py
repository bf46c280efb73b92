"""The Linear Learner training job: many models in parallel, the best of them calibrated and kept (DG:linear-learner)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common import log
from sagewright_algorithms.common.channels import Examples
from sagewright_algorithms.common.cluster import Cluster
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.job import Job, run
from sagewright_algorithms.common.matrix import Floats, width_of
from sagewright_algorithms.linear_learner import metrics
from sagewright_algorithms.linear_learner.artifact import LinearModel
from sagewright_algorithms.linear_learner.fitting import Data, fit, mean_losses
from sagewright_algorithms.linear_learner.losses import BINARY, MULTICLASS, Loss, chosen
from sagewright_algorithms.linear_learner.models import Models
from sagewright_algorithms.linear_learner.predictor import activated, scores
from sagewright_algorithms.linear_learner.scaling import Scaling
from sagewright_algorithms.linear_learner.selection import Criterion, Cut, best_model

_CALIBRATION_ROWS = 10_000_000
_NEUTRAL = {"logistic": 0.5, "hinge_loss": 0.0}


@dataclass(frozen=True, slots=True)
class Split:
    """A channel's rows and labels as they are."""

    rows: Floats
    labels: Floats


def main() -> int:
    """Trains; the exit code."""
    return run("linear-learner", "Linear Learner", train)


def train(job: Job) -> None:
    """Raises ClientError."""
    wanted = job.hyperparameters
    loss, classes = chosen(wanted), _classes(wanted)
    examples = job.train_examples()
    width = wanted.integer("feature_dim", width_of(examples.rows))
    split = _split(wanted, examples, width, classes)
    others = {name: _split(wanted, found, width, classes) for name in ("validation", "test") if (found := job.examples(name))}
    random = np.random.default_rng(0)
    scaling = Scaling.measured(wanted, split.rows, split.labels, job.cluster)
    data = {
        name: Data(scaling.features(each.rows), scaling.labels(each.labels))
        for name, each in {"train": split, **others}.items()
    }
    with np.errstate(over="ignore", invalid="ignore"):  # a model whose learning rate is too high may diverge
        models = fit(wanted, loss, classes, data["train"], data.get("validation"), job.report, random, job.cluster)
        model = _selected(wanted, loss, models, data.get("validation", data["train"]), scaling, job.cluster)
    for name, each in {"train": split, **others}.items():
        _evaluate(job, loss, model, name, each)
    job.write_model(model.dump())


def _classes(wanted: Hyperparameters) -> int:
    """Outputs of a model."""
    if wanted.text("predictor_type") != MULTICLASS:
        return 1
    if not wanted.was_sent("num_classes"):
        raise ClientError("'num_classes' is a required property for predictor_type multiclass_classifier")
    return wanted.integer("num_classes")


def _split(wanted: Hyperparameters, examples: Examples, width: int, classes: int) -> Split:
    rows, labels = examples.dense(width), examples.required_labels()
    kind = wanted.text("predictor_type")
    if kind == BINARY:
        labels = np.where(labels == -1, np.float32(0), labels) if set(np.unique(labels)) <= {-1, 1} else labels
        if not np.isin(labels, (0, 1)).all():
            raise ClientError("Labels of a binary_classifier must be 0 or 1")
    elif kind == MULTICLASS and not ((labels >= 0) & (labels < classes) & (labels == np.floor(labels))).all():
        raise ClientError(f"Labels of a multiclass_classifier must be whole numbers from 0 to num_classes - 1 = {classes - 1}")
    return Split(rows, labels)


def _selected(
    wanted: Hyperparameters, loss: Loss, models: Models, data: Data, scaling: Scaling, cluster: Cluster
) -> LinearModel:
    """The best model on ``data``, for rows and targets as they are."""
    losses = mean_losses(models, loss, data, cluster)
    best, threshold = best_model(losses), _NEUTRAL.get(loss.name, 0.0)
    criterion = Criterion.wanted(wanted)
    if wanted.text("predictor_type") == BINARY and criterion.name != "loss_function":
        limit = -(-wanted.integer("num_calibration_samples", _CALIBRATION_ROWS) // cluster.size)
        cuts = _cuts(criterion, loss, models, Data(cluster.rows(data.rows[:limit]), cluster.rows(data.labels[:limit])))
        best = max(range(len(cuts)), key=lambda number: (cuts[number].value, -_finite(float(losses[number]))))
        threshold = cuts[best].threshold
    if not np.isfinite(losses[best]):
        raise ClientError("All models diverged: the loss is not a number. Lower learning_rate or set normalize_data to true")
    log.info(f"Selected model {best} of {len(losses)}: {loss.objective} {losses[best]}, threshold {threshold}")
    weights, bias = scaling.folded(models.weights[:, best], models.bias[best])
    return LinearModel(weights, bias, wanted.text("predictor_type"), loss.name, threshold)


def _cuts(criterion: Criterion, loss: Loss, models: Models, data: Data) -> list[Cut]:
    """The best threshold of each model; one that diverged is worth nothing."""
    found = activated(loss.name, models.scores(data.rows))[:, :, 0]
    worthless = Cut(-np.inf, 0.0)
    return [
        criterion.best_cut(found[:, number], data.labels) if np.isfinite(found[:, number]).all() else worthless
        for number in range(found.shape[1])
    ]


def _finite(loss: float) -> float:
    return loss if np.isfinite(loss) else np.inf


def _evaluate(job: Job, loss: Loss, model: LinearModel, name: str, split: Split) -> None:
    """The metric lines of a channel."""
    wanted = job.hyperparameters
    raw, labels = job.cluster.rows((split.rows @ model.weights + model.bias)[:, None, :]), job.cluster.rows(split.labels)
    objective = float(loss.evaluate(raw, labels)[0].mean(dtype=np.float64))
    found, beta = job.cluster.rows(scores(model, split.rows)), wanted.number("f_beta")
    if model.predictor_type == BINARY:
        values = metrics.binary(found, labels, model.threshold, beta)
    elif model.predictor_type == MULTICLASS:
        values = metrics.multiclass(found, labels, wanted.integer("accuracy_top_k"), beta)
    else:
        values = metrics.regression(found, labels)
    for metric, (value, score) in {loss.objective: (objective, False), **values}.items():
        job.report.quality(name, metric, value, score=score)
        if name == "test":
            job.report.test_score(metric, value)
