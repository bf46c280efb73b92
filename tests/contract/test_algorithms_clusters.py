"""Algorithms on two instances, each with half of the data: one model, as good as one instance's (H01 to H20; DG:distributed-training).

Here the instances are two processes on two loopback addresses; through the API they are in tests/e2e/test_clusters.py.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import jumpstart_jobs
from support.case_container import invoke
from support.cases import Channel, load
from support.ml_root import MlRoot
from support.shares import halves
from support.topics import neighbour_precision, topical_corpus

from sagewright_algorithms.manifest import load as load_manifest
from sagewright_algorithms.manifest import names as algorithms

HOSTS = ("127.0.0.1", "127.0.0.2")
# Two instances make a step together: with batches half as large, or twice the epochs, there are as many steps as of one.
AS_MANY_STEPS = {
    "ntm": {"mini_batch_size": "32"},
    "forecasting-deepar": {"mini_batch_size": "16"},
    "image-classification": {"mini_batch_size": "4"},
    "object-detection": {"epochs": "36", "lr_scheduler_step": "26"},
}
SLOW = ("object-detection",)
TOGETHER = [
    pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
    for name in algorithms()
    if load_manifest(name).training.distributed and name not in ("blazingtext", "lightgbm")  # have tests of their own
]


class Pair:
    """Two instances of one job."""

    def __init__(self, algorithm: str, folder: Path) -> None:
        self.case = load(algorithm.replace("-", "_"))
        self.hyperparameters = {**self.case.hyperparameters, **AS_MANY_STEPS.get(algorithm, {})}
        self.roots = [MlRoot(folder / host) for host in HOSTS]

    def given(self, shares: Mapping[str, tuple[Channel, Channel]], distribution: str = "ShardedByS3Key") -> None:
        """``distribution`` is that of the channel train."""
        for number, root in enumerate(self.roots):
            channels = {name: share[number] for name, share in shares.items()}
            for name, channel in channels.items():
                for path, content in channel.files.items():
                    root.write(f"input/data/{name}/{path}", content)
            root.configure(self.hyperparameters, **{name: channel.content_type for name, channel in channels.items()})
            config = json.loads((root.folder / "input/config/inputdataconfig.json").read_text())
            sharded = {name: {**entry, "S3DistributionType": distribution} for name, entry in config.items() if name == "train"}
            root.write("input/config/inputdataconfig.json", json.dumps({**config, **sharded}))
            resources = {"current_host": HOSTS[number], "hosts": HOSTS, "network_interface_name": "lo"}
            root.write("input/config/resourceconfig.json", json.dumps(resources))

    def train(self, code: int = 0) -> list[str]:
        """Both logs."""
        with ThreadPoolExecutor() as pool:
            done = list(pool.map(self._train, self.roots, [free_port()] * len(self.roots)))
        for process in done:
            assert process.returncode == code, process.stdout[-2000:] + process.stderr[-2000:]
        return [process.stdout for process in done]

    def _train(self, root: MlRoot, port: int) -> subprocess.CompletedProcess[str]:
        return root.train_alone(
            SAGEWRIGHT_ALGORITHM=self.case.algorithm, SAGEWRIGHT_CLUSTER_PORT=str(port), OMP_NUM_THREADS="1"
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("algorithm", TOGETHER)
def test_two_instances_train_one_model(algorithm: str, tmp_path: Path) -> None:
    """Each has half of the training data; only the first writes the model, and its answers are as good as one instance's."""
    pair = Pair(algorithm, tmp_path)
    shares = {
        name: halves(channel) if name.startswith("train") else (channel, channel)
        for name, channel in pair.case.channels.items()
    }
    pair.given(shares)
    pair.train()
    first, second = pair.roots
    assert set(pair.case.artifact) <= {path.name for path in (first.folder / "model").iterdir()}
    assert not list((second.folder / "model").glob("*"))
    with first.serving(SAGEWRIGHT_ALGORITHM=pair.case.algorithm) as served:
        pair.case.check(invoke(served))


@pytest.mark.parametrize("algorithm", ["lda", "seq2seq"])
def test_an_algorithm_for_one_instance_says_so(algorithm: str, tmp_path: Path) -> None:
    case, root = load(algorithm), MlRoot(tmp_path / "ml")
    for name, channel in case.channels.items():
        for path, content in channel.files.items():
            root.write(f"input/data/{name}/{path}", content)
    root.configure(case.hyperparameters, **{name: channel.content_type for name, channel in case.channels.items()})
    root.write("input/config/resourceconfig.json", json.dumps({"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]}))
    assert root.train(SAGEWRIGHT_ALGORITHM=algorithm).returncode == 2
    assert "does not train on several instances: set InstanceCount to 1" in root.failure()


def test_batch_skipgram_learns_on_two_instances(tmp_path: Path) -> None:
    """DG:blazingtext: the mode for several CPU instances; both have all of the text, and each learns half of its sentences."""
    pair, channel = Pair("blazingtext", tmp_path), Channel("text/plain", {"text.txt": topical_corpus().encode()})
    pair.hyperparameters = {"mode": "batch_skipgram", "vector_dim": "50", "epochs": "5", "evaluation": "False"}
    pair.given({"train": (channel, channel)}, "FullyReplicated")
    logs = pair.train()
    assert all("Running distributed CPU BlazingText training using batch_skipgram mode." in log for log in logs)
    first, second = (root.folder / "model" for root in pair.roots)
    assert neighbour_precision((first / "vectors.txt").read_bytes()) >= 0.95
    assert not list(second.glob("*"))


def test_the_other_modes_of_blazingtext_say_so(tmp_path: Path) -> None:
    pair, channel = Pair("blazingtext", tmp_path), Channel("text/plain", {"text.txt": b"a b c"})
    pair.hyperparameters = {"mode": "skipgram"}
    pair.given({"train": (channel, channel)}, "FullyReplicated")
    pair.train(code=2)
    for root in pair.roots:
        assert root.failure().startswith("ClientError: mode skipgram does not train on several instances")


class JumpStartPair:
    """Two instances of LightGBM in JumpStart form; each listens on a port of its own, so both may be one address."""

    hosts = ("127.0.0.1", "localhost")

    def __init__(self, folder: Path, channels: tuple[Mapping[str, Channel], Mapping[str, Channel]], **more: str) -> None:
        self.case = load("lightgbm")
        self.roots = [MlRoot(folder / host) for host in self.hosts]
        for host, root, given in zip(self.hosts, self.roots, channels, strict=True):
            jumpstart_jobs.prepare(root, self.case.algorithm, self.case.model_id, {**self.case.hyperparameters, **more}, given)
            config = json.loads((root.folder / "input/config/inputdataconfig.json").read_text())
            config["training"]["S3DistributionType"] = given["training"].distribution
            root.write("input/config/inputdataconfig.json", json.dumps(config))
            resources = {"current_host": host, "hosts": self.hosts, "network_interface_name": "lo"}
            root.write("input/config/resourceconfig.json", json.dumps(resources))

    def train(self) -> list[subprocess.CompletedProcess[str]]:
        """Both to their end."""
        framework = {jumpstart_jobs.FRAMEWORK: jumpstart_jobs.image(self.case)}

        def run(root: MlRoot, port: int) -> subprocess.CompletedProcess[str]:
            return root.train_alone(SAGEWRIGHT_CLUSTER_PORT=str(port), **framework)

        with ThreadPoolExecutor() as pool:
            return list(pool.map(run, self.roots, [free_port()] * len(self.roots)))


def shares(distribution: str) -> tuple[Mapping[str, Channel], Mapping[str, Channel]]:
    """The case's channel twice, or with every other training row in each; the categories of the two then differ."""
    channel = load("lightgbm").channels["training"]
    parts = []
    for start in (0, 1):
        files = dict(channel.files)
        if distribution == "ShardedByS3Key":
            files["train/data.csv"] = b"".join(files["train/data.csv"].splitlines(keepends=True)[start::2])
        parts.append({"training": Channel(channel.content_type, files, distribution)})
    return parts[0], parts[1]


@pytest.mark.parametrize("distribution", ["FullyReplicated", "ShardedByS3Key"])
def test_lightgbm_grows_one_model(tmp_path: Path, distribution: str) -> None:
    """H18, use_dask: each learns from its half of the rows; both see the same metrics, the first writes the model."""
    pair = JumpStartPair(tmp_path, shares(distribution), use_dask="True")
    done = pair.train()
    for process in done:
        assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-2000:]
    first, second = ([line for line in process.stdout.splitlines() if "val's auc" in line] for process in done)
    assert len(first) == 60
    assert first == second
    assert not list((pair.roots[1].folder / "model").glob("*"))
    with jumpstart_jobs.serving(pair.roots[0], jumpstart_jobs.image(pair.case)) as served:
        pair.case.check(invoke(served))


def test_lightgbm_wants_to_be_asked(tmp_path: Path) -> None:
    pair = JumpStartPair(tmp_path, shares("FullyReplicated"))
    assert [process.returncode for process in pair.train()] == [2, 2]
    for root in pair.roots:
        assert root.failure().startswith("ClientError: LightGBM trains on several instances only with use_dask=True")
