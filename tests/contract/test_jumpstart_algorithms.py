"""One set of checks that every algorithm in JumpStart form inherits: its scripts in a container of their own (H18 to H24).

What an algorithm brings along is its case (tests/support/cases); those with an image of their own are in test_algorithms.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.case_container import JumpStartContainer, invoke
from support.cases import load, names

from sagewright_algorithms.manifest import load as load_manifest

CASES = [name for name in names() if load(name).model_id]


@pytest.fixture(scope="module", params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def trained(name: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[JumpStartContainer, str]:
    """A container whose job is done, and its log."""
    container = JumpStartContainer(load(name), tmp_path_factory.mktemp(name))
    container.given()
    return container, container.train()


@pytest.fixture
def container(name: str, tmp_path: Path) -> JumpStartContainer:
    return JumpStartContainer(load(name), tmp_path)


def test_the_log_holds_the_metrics_that_the_manifest_promises(trained: tuple[JumpStartContainer, str]) -> None:
    container, log = trained
    regexes = {metric.name: metric.regex for metric in load_manifest(container.case.algorithm).metrics}
    for metric in container.case.metrics:
        assert re.search(regexes[metric], log), f"{metric}: {regexes[metric]}\n{log[-3000:]}"


def test_the_artifact_can_be_deployed(trained: tuple[JumpStartContainer, str]) -> None:
    """estimator.deploy finds the script of the endpoint in it."""
    container, _ = trained
    assert {*container.case.artifact, "code/inference.py"} <= set(container.model())


def test_the_same_job_gives_the_same_model(trained: tuple[JumpStartContainer, str], container: JumpStartContainer) -> None:
    """A hyperparameter that the script does not know has no effect, as with AWS, and the log says so."""
    first, _ = trained
    container.given({"nobody_knows": "1"})
    assert "'nobody_knows' is unknown" in container.train()
    found, expected = container.model(), first.model()
    assert found.keys() == expected.keys()
    assert [name for name, content in found.items() if content != expected[name]] == []


def test_every_format_is_answered_and_a_bad_request_costs_only_itself(trained: tuple[JumpStartContainer, str]) -> None:
    """Content types, accept types, 400, 415, 406, /execution-parameters; then the model's answers are checked."""
    container, _ = trained
    kinds = load_manifest(container.case.algorithm).inference
    assert set(container.case.requests) == set(kinds.request_types)
    with container.serving() as served:
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
        container.case.check(invoke(served))


def test_wrong_hyperparameters(container: JumpStartContainer) -> None:
    for wrong in container.case.wrong_hyperparameters:
        container.given({wrong.name: wrong.value})
        container.fails(wrong.words)


@pytest.mark.parametrize("number", range(4))
def test_wrong_channels(container: JumpStartContainer, number: int) -> None:
    wrong = container.case.wrong_channels
    if number >= len(wrong):
        pytest.skip("the case names fewer")
    container.given(channels={wrong[number].name: wrong[number].channel})
    container.fails(wrong[number].words)
