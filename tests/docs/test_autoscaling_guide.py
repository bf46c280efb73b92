"""The programs of docs/guide/inference/autoscaling.md run, one after the other, as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import boto3
import pytest
from support.scaling import Scaling

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "inference" / "autoscaling.md"


def test_the_guide_s_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    programs = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert len(programs) == 4
    with Scaling(tmp_path) as scaling:
        monkeypatch.setattr(boto3, "client", scaling.harness.client)
        names: dict[str, Any] = {}
        for program in programs:
            text = program.replace("my-endpoint/variant/AllTraffic", "e/variant/v")
            exec(compile(text, str(GUIDE), "exec"), names)
            scaling.idle()
            scaling.register(3)  # so that there is an activity to be told
            scaling.endpoints.settle()
            scaling.pass_time(2)
        policies = scaling.autoscaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
        (action,) = scaling.autoscaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"]
    assert [policy["PolicyName"] for policy in policies] == ["seventy-each", "wake"]
    assert action["Timezone"] == "Europe/Vienna"
    assert "Setting desired instance count to 3." in capsys.readouterr().out
