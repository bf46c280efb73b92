"""What CreateModel asks of an image of one's own (DG build-multi-model-build-container)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from harness import CALLER

from sagewright.compute.oci.own_images import OwnImages
from sagewright.kernel.operation import Context
from sagewright.serving.pulled import LABEL, rule
from sagewright.wire.errors import Fault


class Images:
    """Stands for the registry; None: the image comes with the server."""

    def __init__(self, labels: Mapping[str, str] | None) -> None:
        self._labels = labels

    def check(self, uri: str, caller: Any) -> None:
        """Every image is there."""

    def labels(self, uri: str, caller: Any) -> Mapping[str, str] | None:
        return self._labels


@pytest.mark.parametrize(
    ("labels", "mode", "fine"),
    [
        ({LABEL: "true"}, "MultiModel", True),
        ({LABEL: "false"}, "MultiModel", False),
        ({}, "MultiModel", False),
        ({}, "SingleModel", True),
        (None, "MultiModel", True),
    ],
)
def test_many_models_need_the_label(labels: Mapping[str, str] | None, mode: str, fine: bool) -> None:
    check = rule(cast("OwnImages", Images(labels)))
    request = {"Containers": [{"Image": "mine", "Mode": mode}]}
    context = Context(CALLER, "request", 0.0)
    if fine:
        assert check(context, request) is None
        return
    with pytest.raises(Fault, match="Your Ecr Image mine does not contain required") as caught:
        check(context, request)
    assert caught.value.code == "ValidationException"
