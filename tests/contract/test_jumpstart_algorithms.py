"""One set of checks that every algorithm in JumpStart form inherits: its scripts in a container of their own (H18 to H24).

What an algorithm brings along is its case (tests/support/cases); those with an image of their own are in test_algorithms.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support import jumpstart_jobs
from support.cases import Case, Channel, Invoke, load, names
from support.ml_root import MlRoot, Served

from sagewright_algorithms.manifest import load as load_manifest

CASES = [name for name in names() if load(name).model_id]


class Container:
    """One model id on one /opt/ml, fed with its case."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.root = MlRoot(folder / "ml")

    def given(
        self, hyperparameters: dict[str, str | None] | None = None, channels: dict[str, Channel | None] | None = None
    ) -> None:
        """The case's own job but for what is named; None leaves it out."""
        wanted = {**self.case.hyperparameters, **(hyperparameters or {})}
        data = {**self.case.channels, **(channels or {})}
        jumpstart_jobs.prepare(
            self.root,
            self.case.algorithm,
            self.case.model_id,
            {name: value for name, value in wanted.items() if value is not None},
            {name: channel for name, channel in data.items() if channel is not None},
        )

    def train(self) -> str:
        """The log of a job that succeeds."""
        done = jumpstart_jobs.train(self.root, self.case.algorithm, self.case.model_id)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def fails(self, words: str) -> None:
        """The job ends in these words, without a traceback and without a model."""
        done = jumpstart_jobs.train(self.root, self.case.algorithm, self.case.model_id)
        assert done.returncode != 0, done.stdout[-3000:]
        reason = self.root.failure()
        assert words in reason
        assert reason.startswith("ClientError: ")
        assert "Traceback" not in reason + done.stderr
        assert not self.model()

    def model(self) -> dict[str, bytes]:
        folder = self.root.folder / "model"
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module", params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def trained(name: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Container, str]:
    """A container whose job is done, and its log."""
    container = Container(load(name), tmp_path_factory.mktemp(name))
    container.given()
    return container, container.train()


@pytest.fixture
def container(name: str, tmp_path: Path) -> Container:
    return Container(load(name), tmp_path)


def test_the_log_holds_the_metrics_that_the_manifest_promises(trained: tuple[Container, str]) -> None:
    container, log = trained
    regexes = {metric.name: metric.regex for metric in load_manifest(container.case.algorithm).metrics}
    for metric in container.case.metrics:
        assert re.search(regexes[metric], log.replace("\t", "#011")), f"{metric}: {regexes[metric]}\n{log[-3000:]}"


def test_the_artifact_can_be_deployed(trained: tuple[Container, str]) -> None:
    """estimator.deploy finds the script of the endpoint in it."""
    container, _ = trained
    assert {*container.case.artifact, "code/inference.py"} <= set(container.model())


def test_the_same_job_gives_the_same_model(trained: tuple[Container, str], container: Container) -> None:
    """A hyperparameter that the script does not know has no effect, as with AWS, and the log says so."""
    first, _ = trained
    container.given({"nobody_knows": "1"})
    assert "'nobody_knows' is unknown" in container.train()
    found, expected = container.model(), first.model()
    assert found.keys() == expected.keys()
    assert [name for name, content in found.items() if content != expected[name]] == []


def test_every_format_is_answered_and_a_bad_request_costs_only_itself(trained: tuple[Container, str]) -> None:
    """Content types, accept types, 400, 415, 406, /execution-parameters; then the model's answers are checked."""
    container, _ = trained
    kinds = load_manifest(container.case.algorithm).inference
    assert set(container.case.requests) == set(kinds.request_types)
    with jumpstart_jobs.serving(container.root, jumpstart_jobs.image(container.case)) as served:
        for content_type, body in container.case.requests.items():
            for accept in ("application/json", "application/json;verbose"):
                answer = served.invoke(body, content_type, Accept=accept)
                assert answer.status == 200, (content_type, answer.body)
                assert answer.headers["Content-Type"] == accept
                json.loads(answer.body)
            assert served.invoke(body, content_type, Accept="image/png").status == 406
        for content_type, body in container.case.wrong_requests:
            assert served.invoke(body, content_type).status == 400, (content_type, body)
        assert served.invoke(b"whatever", "application/x-nobody-knows").status == 415
        assert served.call("GET", "/ping").status == 200
        assert json.loads(served.call("GET", "/execution-parameters").body)["MaxPayloadInMB"] > 0
        container.case.check(_invoke(served))


def test_wrong_hyperparameters(container: Container) -> None:
    for wrong in container.case.wrong_hyperparameters:
        container.given({wrong.name: wrong.value})
        container.fails(wrong.words)


@pytest.mark.parametrize("number", range(4))
def test_wrong_channels(container: Container, number: int) -> None:
    wrong = container.case.wrong_channels
    if number >= len(wrong):
        pytest.skip("the case names fewer")
    container.given(channels={wrong[number].name: wrong[number].channel})
    container.fails(wrong[number].words)


def _invoke(served: Served) -> Invoke:
    def invoke(content_type: str, body: bytes, accept: str) -> bytes:
        headers = {"Accept": accept} if accept else {}
        answer = served.invoke(body, content_type, **headers)
        assert answer.status == 200, answer.body
        return answer.body

    return invoke
