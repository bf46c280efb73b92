"""The XGBoost training job: /opt/ml in, ``xgboost-model`` out (DG:xgboost).

Nothing heavy is imported: the library is called directly (common/libxgboost.py), so a zygote that has this module is small and may fork.
"""

from __future__ import annotations

import json
import os
import signal
import traceback
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagewright_algorithms.common.checkpoint_folder import write_whole
from sagewright_algorithms.common.cluster import Cluster, cluster_of
from sagewright_algorithms.common.libxgboost import XgboostError
from sagewright_algorithms.common.threads import sleep_when_busy
from sagewright_algorithms.manifest import load as load_manifest
from sagewright_algorithms.xgboost import data, labels, version
from sagewright_algorithms.xgboost.boosting import AfterRound, Watched, boost
from sagewright_algorithms.xgboost.checkpoints import Checkpoints, configured
from sagewright_algorithms.xgboost.cross_validation import cross_validate
from sagewright_algorithms.xgboost.errors import UserError
from sagewright_algorithms.xgboost.examples import Examples, columns, joined, matrix
from sagewright_algorithms.xgboost.hyperparameters import Hyperparameters, parse
from sagewright_algorithms.xgboost.log import error, info
from sagewright_algorithms.xgboost.matrix import Matrix
from sagewright_algorithms.xgboost.model_file import MODEL_NAME, ModelError, dump
from sagewright_container.failure import write_failure
from sagewright_container.layout import Layout

Channels = Mapping[str, Mapping[str, Any]]
_USER_FAULTS = (
    "label must be in [0,1] for logistic regression",
    "label must be in [0, num_class)",
    "base_score must be in (0,1)",
    "feature_names mismatch",
)


def main() -> int:
    """Trains; 0 and a model, or 1 and the reason in /opt/ml/output/failure."""
    layout = Layout.current()
    sleep_when_busy()
    info("Running XGBoost Sagemaker in algorithm mode")
    try:
        train(layout)
    except (UserError, ModelError, XgboostError) as failure:
        return _fail(layout, _user_error(failure))
    except Exception as failure:  # noqa: BLE001 - the boundary of the job: whatever it is must reach FailureReason
        return _fail(layout, failure)
    return 0


def train(layout: Layout) -> None:
    """Raises UserError, ModelError, XgboostError, OSError."""
    wanted = parse(_document(layout.config / "hyperparameters.json"), version.current())
    channels = _document(layout.config / "inputdataconfig.json")
    _check_channels(channels)
    layout.model.mkdir(parents=True, exist_ok=True)
    resources = _document(layout.config / "resourceconfig.json")
    hosts = resources.get("hosts", [])
    if wanted.kfold is None:
        with cluster_of(resources) as cluster:
            info(f"Distributed node training with {len(hosts)} hosts: {hosts}" if cluster.size > 1 else "Single node training.")
            _train_model(layout, channels, wanted, cluster)
    elif len(hosts) > 1:
        raise UserError("Cross-validation (_kfold) runs on one instance: set InstanceCount to 1")
    else:
        cross_validate(wanted, _all_rows(layout, channels, wanted), layout.model, layout.output_data)


def _train_model(layout: Layout, channels: Channels, wanted: Hyperparameters, cluster: Cluster) -> None:
    """The library itself adds up what the instances have found; the first one keeps checkpoints and the model."""
    watched = _matrices(*_examples(layout, channels, wanted), cluster)
    info(f"Train matrix has {watched[0].matrix.rows()} rows and {watched[0].matrix.columns()} columns")
    if len(watched) > 1:
        info(f"Validation matrix has {watched[1].matrix.rows()} rows")
    for item in watched:
        _prepare_labels(wanted, item.matrix)
    checkpoints = configured(layout)
    after_round = _after_round(wanted, checkpoints, layout.model) if cluster.leads else _nothing
    boosted = boost(wanted, watched, after_round, checkpoints.newest(), cluster)
    if cluster.leads:
        write_whole(layout.model / MODEL_NAME, dump(boosted.booster, wanted.version))


def _all_rows(layout: Layout, channels: Channels, wanted: Hyperparameters) -> Matrix:
    """Cross-validation splits all rows there are."""
    found, validation = _examples(layout, channels, wanted)
    examples = joined([found, validation]) if validation is not None else found
    whole = matrix(examples, columns(examples))
    _prepare_labels(wanted, whole)
    return whole


def _examples(layout: Layout, channels: Channels, wanted: Hyperparameters) -> tuple[Examples, Examples | None]:
    """The rows of train and validation. Nobody keeps them once the library has copied them."""
    read = {
        name: data.read_channel(layout.channel(name), channels[name], wanted.csv_weights)
        for name in ("train", "validation")
        if name in channels
    }
    found = read["train"]
    if found is None:
        raise UserError(f"No data in training channel path {layout.channel('train')}")
    return found, read.get("validation")


def _matrices(found: Examples, validation: Examples | None, cluster: Cluster) -> list[Watched]:
    """As wide as the widest of all: libsvm files end with their highest index."""
    width = round(cluster.maximum(max(columns(found), columns(validation) if validation is not None else 0)))
    if validation is None:
        return [Watched(matrix(found, width), "train")]
    return [Watched(matrix(found, width), "train"), Watched(matrix(validation, width), "validation")]


def _prepare_labels(wanted: Hyperparameters, rows: Matrix) -> None:
    """survival:aft wants intervals where the channels have labels only: an uncensored time is both of its bounds."""
    values = array("f", rows.info("label"))
    labels.check(values, wanted.objective, int(wanted.library.get("num_class", "0")))
    if wanted.objective == "survival:aft":
        rows.set_info("label_lower_bound", values)
        rows.set_info("label_upper_bound", values)


def _after_round(wanted: Hyperparameters, checkpoints: Checkpoints, model: Path) -> AfterRound:
    """With save_model_on_termination the model is whole after every round, and SIGTERM ends the job well."""
    if not wanted.save_model_on_termination:
        return checkpoints.save

    def save(booster: Any, round_: int) -> None:
        checkpoints.save(booster, round_)
        write_whole(model / MODEL_NAME, dump(booster, wanted.version))

    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    return save


def _nothing(_: Any, __: int) -> None:
    """What an instance that does not lead keeps of a round."""


def _check_channels(channels: Channels) -> None:
    known = load_manifest("xgboost")
    for channel in known.channels:
        if channel.required and channel.name not in channels:
            raise UserError(f"Missing required channel: {channel.name}")
    for name, given in channels.items():
        expected = known.channel(name)
        if expected is None:
            raise UserError(f"Extraneous channel found: {name}")
        mode = given.get("TrainingInputMode", "File")
        if mode not in expected.input_modes or (given.get("RecordWrapperType", "None") == "RecordIO" and mode != "Pipe"):
            raise UserError(f"Channel configuration for '{name}' channel is not supported: {dict(given)}")


def _document(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def _user_error(failure: Exception) -> Exception:
    """The library's refusals of the user's data keep their text; the rest says that the call failed."""
    if not isinstance(failure, XgboostError) or any(text in str(failure) for text in _USER_FAULTS):
        return UserError(str(failure)).with_traceback(failure.__traceback__)
    return RuntimeError(f"XGB train call failed with exception:\n {failure}").with_traceback(failure.__traceback__)


def _fail(layout: Layout, failure: Exception) -> int:
    """As AWS's framework reports: the last place and the text (the reason is cut after 1 024 characters)."""
    text = "".join(traceback.format_exception(failure, limit=-1, chain=False))
    message = f"framework error: \n{text}\n{failure}"
    error("Reporting training FAILURE")
    error(message)
    write_failure(layout, message)
    return 1
