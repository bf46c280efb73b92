"""One set of checks that every built-in algorithm inherits, each in a container of its own (algorithms.md 2; H01 to H20).

What an algorithm brings along is its case (tests/support/cases). The NumPy family has closer checks of its formats in
tests/unit/test_algorithms_numpy_contract.py, the algorithms of JumpStart of their scripts in tests/e2e.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.case_container import OwnContainer, invoke
from support.cases import load, names

from sagewright_algorithms.manifest import names as algorithms

OWN_IMAGE = [name for name in names() if not load(name).model_id]


@pytest.fixture(scope="module", params=OWN_IMAGE)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def trained(name: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[OwnContainer, str]:
    """A container whose job is done, and its log."""
    container = OwnContainer(load(name), tmp_path_factory.mktemp(name))
    container.given()
    return container, container.train()


@pytest.fixture
def container(name: str, tmp_path: Path) -> OwnContainer:
    return OwnContainer(load(name), tmp_path)


def test_every_algorithm_has_a_case() -> None:
    """AutoGluon runs in an environment of its own, which takes minutes to build: tests/e2e/test_autogluon.py."""
    assert {load(name).algorithm for name in names()} == set(algorithms()) - {"autogluon-tabular"}


def test_every_case_names_wrong_input() -> None:
    """Else the checks of wrong hyperparameters, channels and requests below would hold nothing."""
    cases = [load(name) for name in names()]
    assert all(case.wrong_hyperparameters and case.wrong_channels and case.wrong_requests for case in cases)


def test_the_log_holds_the_metrics_that_the_manifest_promises(trained: tuple[OwnContainer, str]) -> None:
    container, log = trained
    regexes = {metric.name: metric.regex for metric in container.manifest.metrics}
    for metric in container.case.metrics:
        assert re.search(regexes[metric], log), f"{metric}: {regexes[metric]}\n{log[-3000:]}"


def test_the_artifact(trained: tuple[OwnContainer, str]) -> None:
    container, _ = trained
    assert set(container.case.artifact) <= set(container.model())


def test_the_same_job_gives_the_same_model(trained: tuple[OwnContainer, str], container: OwnContainer) -> None:
    first, _ = trained
    container.given()
    container.train()
    assert container.model().keys() == first.model().keys()
    assert {name for name, content in container.model().items() if content != first.model()[name]} <= set()


def test_every_format_is_answered_and_a_bad_request_costs_only_itself(trained: tuple[OwnContainer, str]) -> None:
    """Content types, accept types, 400, 415, 406, /execution-parameters; then the model's answers are checked."""
    container, _ = trained
    with container.serving() as served:
        kinds = container.manifest.inference
        assert set(container.case.requests) == set(kinds.request_types)
        for content_type, body in container.case.requests.items():
            answer = served.invoke(body, content_type)
            assert answer.status == 200, (content_type, answer.body)
            assert answer.headers["Content-Type"].partition(";")[0] in kinds.response_types
            assert answer.body
        for content_type, body in container.case.wrong_requests:
            assert served.invoke(body, content_type).status == 400, (content_type, body)
        assert served.invoke(b"whatever", "application/x-nobody-knows").status == 415
        assert served.call("GET", "/ping").status == 200
        assert json.loads(served.call("GET", "/execution-parameters").body)["MaxPayloadInMB"] > 0
        container.case.check(invoke(served))


def test_each_required_hyperparameter(container: OwnContainer) -> None:
    for item in container.manifest.hyperparameters:
        if item.required:
            container.given({item.name: None})
            container.fails(item.name)


def test_wrong_hyperparameters(container: OwnContainer) -> None:
    for wrong in container.case.wrong_hyperparameters:
        container.given({wrong.name: wrong.value})
        container.fails(wrong.words)


def test_wrong_channels(name: str, tmp_path: Path) -> None:
    for number, wrong in enumerate(load(name).wrong_channels):
        container = OwnContainer(load(name), tmp_path / str(number))
        container.given(channels={wrong.name: wrong.channel})
        container.fails(wrong.words)


def test_an_unknown_hyperparameter(container: OwnContainer) -> None:
    container.given({"nobody_knows": "1"})
    container.fails("nobody_knows")


def test_without_its_first_channel(container: OwnContainer) -> None:
    required = next(channel.name for channel in container.manifest.channels if channel.required)
    container.given(channels={required: None})
    container.fails(required)
