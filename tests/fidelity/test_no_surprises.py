"""No request that the model allows ends in an internal error, for any of the 425 operations. Feature row A04."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from fidelity.drive import FIXED, Drive
from fidelity.generate import Requests
from harness import Harness

from sagewright.kernel.shapes import Model

OPERATIONS = list(Model("sagemaker"))


@pytest.fixture(scope="module")
def drive() -> Iterator[Drive]:
    with Harness() as harness:
        yield Drive(harness)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_answers(drive: Drive, operation: str, caplog: pytest.LogCaptureFixture) -> None:
    shape = drive.model.operation_model(operation).input_shape
    for seed in range(3):
        for fixed in (FIXED, {}):
            for full in (False, True):
                request = Requests(seed, fixed).make(shape, full)
                with caplog.at_level(logging.ERROR):
                    assert _status(drive, operation, request) < 500, (request, caplog.text)


def _status(drive: Drive, operation: str, request: dict[str, Any]) -> int:
    try:
        answer = getattr(drive.client, xform_name(operation))(**request)
    except ClientError as error:
        answer = error.response
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def test_the_model_has_the_operations_we_think() -> None:
    """A new botocore brings new operations: they must be looked at (docs/coverage.md), not slip in."""
    assert len(OPERATIONS) == 425
