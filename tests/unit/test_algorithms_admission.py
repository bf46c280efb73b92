"""What a job's manifest forbids is known before any data is moved (H03, H04)."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.ml_root import SOURCES

from sagewright_algorithms.admission import refusal

CSV = {"ContentType": "text/csv", "S3DistributionType": "FullyReplicated", "TrainingInputMode": "File"}
KMEANS = {"k": "3", "feature_dim": "4"}


def test_a_job_as_it_should_be() -> None:
    assert refusal("kmeans", KMEANS, {"train": CSV}) == ""
    assert refusal("kmeans", {**KMEANS, "_tuning_objective_metric": "test:msd", "_num_slices": "1"}, {"train": CSV}) == ""


@pytest.mark.parametrize(
    ("hyperparameters", "channels", "words"),
    [
        ({"k": "3"}, {"train": CSV}, "'feature_dim' is a required property"),
        ({**KMEANS, "k": "0"}, {"train": CSV}, "'0' is not valid under any of the given schemas"),
        ({**KMEANS, "kk": "0"}, {"train": CSV}, "Additional hyperparameters are not allowed ('kk' was unexpected)"),
        (KMEANS, {}, "'train' is a required property"),
        (KMEANS, {"train": CSV, "tset": CSV}, "'tset' was unexpected"),
        (KMEANS, {"train": {**CSV, "S3DistributionType": "Somehow"}}, "'Somehow' is not one of"),
    ],
)
def test_words_of_the_container(hyperparameters: dict[str, str], channels: dict[str, dict[str, str]], words: str) -> None:
    found = refusal("kmeans", hyperparameters, channels)
    assert found.startswith("ClientError: ")
    assert words in found


def test_random_cut_forest_must_be_sharded() -> None:
    assert "['ShardedByS3Key']" in refusal("randomcutforest", {"feature_dim": "4"}, {"train": CSV})


def test_xgboosts_container_speaks_for_itself() -> None:
    assert refusal("xgboost", {}, {}) == ""


def test_the_server_may_ask_without_a_numeric_library() -> None:
    code = "import sys; import sagewright_algorithms.admission; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(SOURCES)}, check=False).returncode == 0
