"""The XGBoost training job as a container runs it: log lines, model, checkpoints, folds, failures (H03, H04; algorithms.md 6.2)."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from time import monotonic

import numpy as np
import numpy.typing as npt
import pytest
import xgboost
from support.ml_root import MlRoot

LINE = re.compile(r"^\[(\d+)\](\t(train|validation)-[a-z0-9_@.-]+:[-0-9.einf]+)+$")
Table = npt.NDArray[np.float64]


@pytest.fixture
def root(tmp_path: Path) -> MlRoot:
    return MlRoot(tmp_path / "ml")


def table(rows: int = 120, seed: int = 0) -> Table:
    """Label (0 or 1), then four features that tell it, with noise."""
    random = np.random.default_rng(seed)
    features = random.random((rows, 4))
    return np.column_stack([(features.sum(axis=1) + random.normal(0, 0.2, rows) > 2).astype(float), features])


def csv(rows: Table) -> str:
    return "\n".join(",".join(f"{cell:.6g}" for cell in row) for row in rows) + "\n"


def given(root: MlRoot, **hyperparameters: str) -> None:
    """Train and validation channels of CSV."""
    root.write("input/data/train/a.csv", csv(table()))
    root.write("input/data/validation/a.csv", csv(table(seed=1)))
    hyperparameters = {"num_round": "5", "objective": "binary:logistic"} | hyperparameters
    root.configure(hyperparameters, train="text/csv", validation="text/csv")


def train(root: MlRoot) -> list[str]:
    """Runs the job; the evaluation lines."""
    done = root.train(SAGEWRIGHT_ALGORITHM="xgboost")
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith("[") and "\t" in line]


def model_of(root: MlRoot) -> xgboost.Booster:
    """As stock xgboost loads it, which warns because the name has no suffix (AWS's has none)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xgboost.Booster(model_file=root.folder / "model" / "xgboost-model")


def fails(root: MlRoot, message: str) -> None:
    done = root.train(SAGEWRIGHT_ALGORITHM="xgboost")
    assert done.returncode == 1
    assert message in root.failure()
    assert message in root.failure()[:1024]
    assert not (root.folder / "model" / "xgboost-model").exists()


def test_lines_and_a_model_that_stock_xgboost_loads(root: MlRoot) -> None:
    """H03: model.tar.gz holds xgboost-model loadable by stock xgboost; lines are [i]\\ttrain-…\\tvalidation-…."""
    given(root, eval_metric="auc,error,f1")
    lines = train(root)
    assert [line.partition("]")[0] for line in lines] == [f"[{number}" for number in range(5)]
    assert all(LINE.match(line) for line in lines)
    names = re.findall(r"\t([a-z0-9-]+):", lines[-1])
    assert names == ["train-auc", "train-error", "train-f1", "validation-auc", "validation-error", "validation-f1"]
    model = model_of(root)
    assert (model.num_boosted_rounds(), model.num_features()) == (5, 4)


def test_without_a_validation_channel_and_metric(root: MlRoot) -> None:
    given(root)
    root.configure({"num_round": "2", "objective": "reg:squarederror"}, train="text/csv")
    assert re.fullmatch(r"\[1\]\ttrain-rmse:\d\.\d{5}", train(root)[-1])


def test_libsvm_is_the_default_and_widths_may_differ(root: MlRoot) -> None:
    root.write("input/data/train/a", "1 0:1 2:3\n0 1:2\n" * 20)
    root.write("input/data/validation/a", "1 0:1 5:3\n")
    root.configure({"num_round": "2", "objective": "binary:logistic"}, train="text/libsvm", validation="text/x-libsvm")
    assert len(train(root)) == 2
    assert model_of(root).num_features() == 6


def test_weights_change_the_model(root: MlRoot) -> None:
    rows = table()
    weighted = np.column_stack([rows[:, 0], np.where(rows[:, 0] == 1, 1, 0), rows[:, 1:]])
    root.write("input/data/train/a.csv", csv(weighted))
    root.configure(
        {"num_round": "1", "csv_weights": "1", "objective": "binary:logistic", "base_score": "0.5"}, train="text/csv"
    )
    train(root)
    predicted = model_of(root).predict(xgboost.DMatrix(rows[:, 1:]))
    assert predicted.min() > 0.5  # rows of class 0 weigh nothing


def test_early_stopping_keeps_the_best_rounds(root: MlRoot) -> None:
    """Container: the last eval metric on validation decides, and the best model is saved."""
    given(root, num_round="300", eval_metric="auc,logloss", early_stopping_rounds="4", eta="0.9")
    lines = train(root)
    losses = [float(line.rpartition("validation-logloss:")[2]) for line in lines]
    assert len(lines) < 300
    best = losses.index(min(losses))
    assert len(lines) == best + 5
    model = model_of(root)
    assert (model.num_boosted_rounds(), model.attr("best_iteration")) == (best + 1, str(best))


def test_early_stopping_maximizes_a_metric_of_the_container(root: MlRoot) -> None:
    given(root, num_round="200", eval_metric="accuracy", early_stopping_rounds="3", eta="0.9")
    scores = [float(line.rpartition("validation-accuracy:")[2]) for line in train(root)]
    assert len(scores) < 200
    assert len(scores) == scores.index(max(scores)) + 4


@pytest.mark.parametrize(
    ("objective", "metric", "printed"),
    [("binary:logistic", "error@0.5", "error"), ("reg:tweedie", "tweedie-nloglik", "tweedie-nloglik")],
)
def test_early_stopping_on_a_metric_that_the_library_prints_otherwise(
    root: MlRoot, objective: str, metric: str, printed: str
) -> None:
    given(root, objective=objective, eval_metric=metric, early_stopping_rounds="2", num_round="60", eta="0.9")
    lines = train(root)
    assert f"\tvalidation-{printed}:" in lines[0]
    assert len(lines) < 60


def test_the_tuning_objective_is_evaluated_too(root: MlRoot) -> None:
    given(root, eval_metric="logloss", _tuning_objective_metric="validation:auc")
    assert "\tvalidation-auc:" in train(root)[0]


def test_a_job_goes_on_from_its_checkpoint(root: MlRoot) -> None:
    """contracts.md 2.G: /opt/ml/checkpoints; files xgboost-checkpoint.<n>, the newest five."""
    given(root, num_round="4", subsample="1")
    root.write("input/config/checkpointconfig.json", '{"S3Uri": "s3://b/c", "LocalPath": "/opt/ml/checkpoints"}')
    train(root)
    given(root, num_round="9")
    lines = train(root)
    assert [line.partition("]")[0] for line in lines] == [f"[{number}" for number in range(4, 9)]
    assert {path.name for path in (root.folder / "checkpoints").iterdir()} == {f"xgboost-checkpoint.{n}" for n in range(4, 9)}
    interrupted = model_of(root)
    rows = xgboost.DMatrix(np.round(table()[:, 1:], 6))
    (root.folder / "input" / "config" / "checkpointconfig.json").unlink()
    for path in (root.folder / "checkpoints").iterdir():
        path.unlink()
    assert len(train(root)) == 9
    whole = model_of(root)
    assert np.allclose(interrupted.predict(rows), whole.predict(rows), atol=1e-5)


def test_a_checkpoint_that_is_finished_is_the_model(root: MlRoot) -> None:
    given(root, num_round="3")
    (root.folder / "checkpoints").mkdir()
    train(root)
    (root.folder / "model" / "xgboost-model").unlink()
    assert train(root) == []
    assert model_of(root).num_boosted_rounds() == 3


def test_save_model_on_termination(root: MlRoot) -> None:
    given(root, num_round="100000", save_model_on_termination="true")
    command = [sys.executable, "-m", "sagewright_container", "train"]
    env = root.environment(SAGEWRIGHT_ALGORITHM="xgboost")
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        deadline = monotonic() + 60
        while not process.stdout.readline().startswith("[3]\t"):
            assert monotonic() < deadline
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(30) == 0
    assert model_of(root).num_boosted_rounds() >= 3


def test_cross_validation(root: MlRoot) -> None:
    """_kfold: a model per fold, out-of-fold predictions, one last line with the means."""
    given(root, num_round="3", eval_metric="logloss", _kfold="4", _num_cv_round="2")
    lines = train(root)
    assert len(lines) == 3 * 4 * 2 + 1
    folds = [float(line.rpartition("validation-logloss:")[2]) for line in lines[2:-1:3]]
    assert lines[-1].startswith("[3]\ttrain-logloss:")
    assert float(lines[-1].rpartition("validation-logloss:")[2]) == pytest.approx(np.mean(folds), abs=1e-4)
    assert {path.name for path in (root.folder / "model").iterdir()} == {f"xgboost-model-{fold}" for fold in range(8)}
    predictions = np.loadtxt(root.folder / "output" / "data" / "predictions.csv", delimiter=",")
    assert predictions.shape == (240, 2)
    assert np.mean((predictions[:, 1] > 0.5) == predictions[:, 0]) > 0.75


def test_several_classes(root: MlRoot) -> None:
    rows = table()
    rows[:, 0] = np.digitize(rows[:, 1], [0.3, 0.6])
    root.write("input/data/train/a.csv", csv(rows))
    root.configure(
        {"num_round": "20", "objective": "multi:softprob", "num_class": "3", "eval_metric": "merror,f1_macro"}, train="text/csv"
    )
    assert train(root)[-1] == "[19]\ttrain-merror:0.00000\ttrain-f1_macro:1.00000"


def test_constraints_and_dart_reach_the_library(root: MlRoot) -> None:
    more = {"monotone_constraints": "(1,1,1,1)", "tree_method": "hist", "interaction_constraints": "[[0,1],[2,3]]"}
    given(root, booster="dart", rate_drop="0.1", **more)
    train(root)
    model = model_of(root)
    rows = np.full((2, 4), 0.5)
    rows[1, 0] = 0.9
    low, high = model.predict(xgboost.DMatrix(rows))
    assert low <= high


@pytest.mark.parametrize(
    ("objective", "metric"),
    [
        ("binary:logitraw", "aucpr"),
        ("binary:hinge", "error"),
        ("count:poisson", "poisson-nloglik"),
        ("multi:softmax", "mlogloss"),
        ("rank:pairwise", "ndcg"),
        ("rank:ndcg", "auc"),
        ("rank:map", "map"),
        ("reg:logistic", "logloss"),
        ("reg:gamma", "gamma-nloglik"),
        ("reg:gamma", "gamma-deviance"),
        ("reg:pseudohubererror", "mphe"),
        ("reg:squaredlogerror", "rmsle"),
        ("reg:absoluteerror", "mape"),
        ("reg:tweedie", "tweedie-nloglik"),
        ("survival:cox", "cox-nloglik"),
        ("survival:aft", "aft-nloglik"),
        ("survival:aft", "interval-regression-accuracy"),
    ],
)
def test_every_objective_with_a_metric_of_its_own(root: MlRoot, objective: str, metric: str) -> None:
    rows = table()
    rows[:, 0] = rows[:, 0] if objective.startswith(("binary", "rank", "multi", "reg:logistic")) else 0.5 + rows[:, 1]
    root.write("input/data/train/a.csv", csv(rows))
    classes = {"num_class": "2"} if objective.startswith("multi") else {}
    root.configure({"num_round": "2", "objective": objective, "eval_metric": metric, **classes}, train="text/csv")
    assert re.fullmatch(rf"\[1\]\ttrain-{metric}:-?\d+\.\d{{5}}", train(root)[-1])


def test_a_linear_booster(root: MlRoot) -> None:
    given(root, booster="gblinear", updater="shotgun", early_stopping_rounds="2", eval_metric="logloss")
    assert train(root)


def test_ranking_with_queries(root: MlRoot) -> None:
    root.write("input/data/train/a", "".join(f"{row % 3} qid:{row // 6} 0:{row % 5} 1:{row % 3}\n" for row in range(60)))
    root.configure({"num_round": "3", "objective": "rank:ndcg", "eval_metric": "ndcg@3"}, train="text/libsvm")
    assert float(train(root)[-1].rpartition(":")[2]) > 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"foo": "1"}, "Extraneous hyperparameter found: foo"),
        ({"max_depth": "deep"}, "Hyperparameter max_depth: could not parse value (caused by ValueError)"),
        ({"objective": "multi:softmax", "num_class": "2", "base_score": "0.5", "eval_metric": "f1_binary"}, ""),
        ({"tree_method": "gpu_hist"}, "XGB train call failed with exception:"),
    ],
)
def test_wrong_hyperparameters_are_the_reason(root: MlRoot, change: dict[str, str], message: str) -> None:
    """H04: bad value, same validation error class as AWS."""
    given(root, **change)
    if message:
        fails(root, message)
    else:
        assert train(root)


def test_labels_that_do_not_fit_are_the_users_fault(root: MlRoot) -> None:
    given(root)
    root.write("input/data/train/a.csv", "2,1\n5,3\n")
    root.configure({"num_round": "2", "objective": "binary:logistic"}, train="text/csv")
    fails(root, "label must be in [0,1] for logistic regression")
    assert "UserError" in root.failure()
    root.configure({"num_round": "2", "objective": "multi:softmax", "num_class": "3"}, train="text/csv")
    fails(root, "label must be in [0, num_class)")


def test_channels_that_are_missing_or_too_many(root: MlRoot) -> None:
    root.configure({"num_round": "2"}, validation="text/csv")
    fails(root, "Missing required channel: train")
    root.configure({"num_round": "2"}, train="text/csv", test="text/csv")
    fails(root, "Extraneous channel found: test")
    root.configure({"num_round": "2"}, train="text/csv")
    (root.folder / "input" / "data" / "train").mkdir(parents=True)
    fails(root, f"No data in training channel path {root.folder}/input/data/train")
    root.configure({"num_round": "2"}, train="application/json")
    fails(root, "application/json is not an accepted ContentType")


def test_cross_validation_is_for_one_instance(root: MlRoot) -> None:
    given(root, _kfold="3")
    root.write("input/config/resourceconfig.json", '{"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]}')
    fails(root, "Cross-validation (_kfold) runs on one instance")


def test_the_reason_has_the_frameworks_form(root: MlRoot) -> None:
    given(root, foo="1")
    fails(root, "framework error: \nTraceback (most recent call last):\n")
    assert root.failure().endswith("UserError: Extraneous hyperparameter found: foo\n\nExtraneous hyperparameter found: foo")


def test_no_heavy_library_is_loaded() -> None:
    """A zygote keeps the module in memory: nothing of pandas, scikit-learn, SciPy, pyarrow or the xgboost package."""
    program = (
        "import sys\nimport sagewright_algorithms.xgboost.train, sagewright_algorithms.xgboost.serve\n"
        "from sagewright_algorithms.common.libxgboost import native\nnative()\n"
        "print([name for name in ('pandas', 'sklearn', 'scipy', 'pyarrow', 'xgboost') if name in sys.modules])\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmRSS')))"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    loaded, memory = done.stdout.splitlines()
    assert loaded == "[]"
    assert int(memory) < 60_000
