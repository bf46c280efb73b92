"""IP Insights tells an entity's own addresses from others (algorithms/ipinsights.json, reference_quality), and its contract."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from support.ml_root import MlRoot
from support.numpy_jobs import configure

Table = NDArray[Any]
JOB = {"num_entity_vectors": "1000", "vector_dim": "64", "mini_batch_size": "1000", "learning_rate": "0.01", "epochs": "5"}


def text(address: int) -> str:
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))


def csv(users: Table, addresses: Table) -> bytes:
    lines = (f"user_{user}, {text(address)}\n" for user, address in zip(users.tolist(), addresses.tolist(), strict=True))
    return "".join(lines).encode()


@pytest.fixture
def root(tmp_path: Path) -> MlRoot:
    return MlRoot(tmp_path / "ml")


def train(root: MlRoot, content: bytes, validation: bytes | None = None, **given: str | None) -> str:
    """The log."""
    root.write("input/data/train/events.csv", content)
    types = {"train": "text/csv"}
    if validation is not None:
        root.write("input/data/validation/events.csv", validation)
        types["validation"] = "text/csv"
    configure(root, {name: value for name, value in {**JOB, **given}.items() if value is not None}, **types)
    done = root.train(SAGEWRIGHT_ALGORITHM="ipinsights")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_own_addresses_rank_above_others(root: MlRoot) -> None:
    """500 users with 3 home networks (/24) each, 60 000 events: AUC at least 0.97 against random and shuffled addresses."""
    random = np.random.default_rng(0)
    homes = random.integers(0, 1 << 24, (500, 3)) << 8
    users = random.integers(0, 500, 66_000)
    addresses = homes[users, random.integers(0, 3, 66_000)] + random.integers(0, 256, 66_000)
    log = train(root, csv(users[:60_000], addresses[:60_000]), csv(users[60_000:], addresses[60_000:]))
    found = [float(value) for value in re.findall(r"epoch=\d+, validation discriminator_auc <score>=(\S+)", log)]
    assert len(found) == 5
    assert found[-1] >= 0.97
    users, real = users[60_000:62_000], addresses[60_000:62_000]
    fake = np.concatenate([random.integers(0, 1 << 32, 1000), random.permutation(real)[:1000]])
    with root.serving(SAGEWRIGHT_ALGORITHM="ipinsights") as served:
        answer = served.invoke(csv(np.tile(users, 2), np.concatenate([real, fake])))
    scores = [item["dot_product"] for item in json.loads(answer.body)["predictions"]]
    assert roc_auc_score(np.repeat([1, 0], 2000), scores) >= 0.97


SMALL = csv(np.arange(40) % 4, (np.arange(40) % 4 << 24) + np.arange(40))


def test_every_way_to_ask(root: MlRoot) -> None:
    """DG ip-insights-inference-data-formats: CSV, JSON and JSON Lines; verbose adds the vectors; 400 and it goes on serving."""
    train(root, SMALL, vector_dim="8")
    pairs = [["user_1", "1.0.0.1"], ["somebody new", "250.1.2.3"]]
    lines = "\n".join(json.dumps({"features": pair}) for pair in pairs)
    document = json.dumps({"instances": [{"features": pairs[0]}, {"data": {"features": {"values": pairs[1]}}}]})
    table = "\n".join(", ".join(pair) for pair in pairs)
    with root.serving(SAGEWRIGHT_ALGORITHM="ipinsights") as served:

        def ask(body: str, kind: str, accept: str = "application/json") -> bytes:
            answer = served.invoke(body.encode(), kind, Accept=accept)
            assert answer.status == 200, answer.body
            return answer.body

        expected = json.loads(ask(table, "text/csv"))["predictions"]
        assert [list(item) for item in expected] == [["dot_product"]] * 2
        assert json.loads(ask(document, "application/json"))["predictions"] == expected
        assert json.loads(ask(lines, "application/jsonlines"))["predictions"] == expected
        answered = ask(table, "text/csv", "application/jsonlines").splitlines()
        assert [json.loads(line) for line in answered] == expected
        (first, _) = json.loads(ask(table, "text/csv", "application/json; verbose=True"))["predictions"]
        assert np.dot(first["entity_embedding"], first["ip_embedding"]) == pytest.approx(first["dot_product"], rel=1e-4)
        for body, kind, status in (
            ("user_1", "text/csv", 400),
            ("user_1,1.2.3", "text/csv", 400),
            ("user_1,1.2.3.4,5", "text/csv", 400),
            ("", "text/csv", 400),
            ('{"instances":[{"features":["user_1",3]}]}', "application/json", 400),
            ('{"instances":[{"features":["user_1","1.2.3.4"]},{"features":[]}]}', "application/json", 400),
            ('{"instances":[{"features":{"keys":[0],"values":[1]}}]}', "application/json", 400),
            ("{", "application/jsonlines", 400),
            ("user_1,1.2.3.4", "text/plain", 415),
        ):
            assert served.invoke(body.encode(), kind).status == status, body
        assert json.loads(ask(table, "text/csv"))["predictions"] == expected


def test_the_same_job_gives_the_same_model_and_the_lines_of_the_manifest(root: MlRoot) -> None:
    log = train(root, SMALL, num_ip_encoder_layers="2", random_negative_sampling_rate="3")
    first = (root.folder / "model" / "model_algo-1").read_bytes()
    train(root, SMALL, num_ip_encoder_layers="2", random_negative_sampling_rate="3")
    assert (root.folder / "model" / "model_algo-1").read_bytes() == first
    for pattern in (
        r"epoch=0, batch=0 train binary_classification_accuracy <score>=\S+",
        r"epoch=4, train binary_classification_cross_entropy <loss>=\S+",
        r"completed 100 % of epochs",
        r"train throughput=\S+ records/second",
    ):
        assert re.search(pattern, log), pattern


@pytest.mark.parametrize(
    ("content", "given", "message"),
    [
        (b"user,1.2.3.4\nuser,1.2.3\n", {}, "Unable to parse csv: rows 1-2, file"),
        (b"user,1.2.3.4,5\n", {}, "Unable to parse csv: rows 1-1, file"),
        (b"user,::1\n", {}, "is not an IPv4 address"),
        (b"\xff\xfe,1.2.3.4\n", {}, "Unable to parse csv"),
        (b"", {}, "No training data processed"),
        (SMALL, {"vector_dim": "3"}, "is not valid under any of the given schemas"),
        (SMALL, {"num_entity_vectors": None}, "'num_entity_vectors' is a required property"),
        (SMALL, {"random_negative_sampling_rate": "0", "shuffled_negative_sampling_rate": "0"}, "must be from 1 to 500, not 0"),
        (SMALL, {"x": "1"}, "Additional hyperparameters are not allowed ('x' was unexpected)"),
    ],
)
def test_what_cannot_be_trained(root: MlRoot, content: bytes, given: dict[str, str | None], message: str) -> None:
    with pytest.raises(AssertionError):
        train(root, content, **given)
    assert root.failure().startswith("ClientError: ")
    assert message in root.failure()
