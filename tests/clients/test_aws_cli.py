"""A04: the AWS CLI, unchanged: every `aws sagemaker list-*` answers; `aws s3` copies, syncs and lists."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from clients.conftest import ENVIRONMENTS
from support.load import serve_xgboost
from support.server import Server, eventually

pytestmark = pytest.mark.clients

# One process lists them all: the CLI needs a second to start, and there are some eighty operations.
_LIST_ALL = """
import io, json
from contextlib import redirect_stdout, redirect_stderr
from awscli.clidriver import create_clidriver
driver = create_clidriver()
table = driver.create_help_command().command_table["sagemaker"].create_help_command().command_table
commands = sorted(name for name in table if name.startswith("list-"))
answered, failed, needy = [], {}, []
for command in commands:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = driver.main(["sagemaker", command])
        except SystemExit as error:
            code = error.code
    if not code:
        answered.append(command)
    elif "arguments are required" in err.getvalue():
        needy.append(command)
    else:
        failed[command] = err.getvalue()
print(json.dumps([answered, needy, failed]))
"""


@pytest.fixture(scope="module")
def environment(server: Server) -> dict[str, str]:
    return {**server.client_environment(), "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1"}


def _aws(environment: dict[str, str], *words: str, cwd: Path | None = None) -> str:
    command = [str(ENVIRONMENTS / "cli" / "bin" / "aws"), *words]
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_list_operation_answers(environment: dict[str, str]) -> None:
    python = str(ENVIRONMENTS / "cli" / "bin" / "python")
    done = subprocess.run([python, "-c", _LIST_ALL], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    answered, needy, failed = json.loads(done.stdout.splitlines()[-1])
    assert list(failed) == []
    assert len(answered) > 60
    assert len(needy) < len(answered)


def test_s3_copies_syncs_and_lists(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "tree" / "below").mkdir(parents=True)
    (tmp_path / "tree" / "one.txt").write_text("1")
    (tmp_path / "tree" / "below" / "two.txt").write_text("22")
    (tmp_path / "large.bin").write_bytes(b"x" * 20_000_000)
    _aws(environment, "s3", "mb", "s3://cli-bucket")
    _aws(environment, "s3", "cp", "large.bin", "s3://cli-bucket/large.bin", "--quiet", cwd=tmp_path)
    _aws(environment, "s3", "sync", "tree", "s3://cli-bucket/tree", "--quiet", cwd=tmp_path)
    listed = _aws(environment, "s3", "ls", "s3://cli-bucket", "--recursive")
    assert [line.split()[2:] for line in listed.splitlines()] == [
        ["20000000", "large.bin"],
        ["2", "tree/below/two.txt"],
        ["1", "tree/one.txt"],
    ]
    _aws(environment, "s3", "sync", "s3://cli-bucket/tree", "back", "--quiet", cwd=tmp_path)
    assert (tmp_path / "back" / "below" / "two.txt").read_text() == "22"
    _aws(environment, "s3", "cp", "s3://cli-bucket/large.bin", "large.back", "--quiet", cwd=tmp_path)
    assert (tmp_path / "large.back").stat().st_size == 20_000_000
    _aws(environment, "s3", "rb", "s3://cli-bucket", "--force")


def test_the_caller_has_an_identity(environment: dict[str, str]) -> None:
    identity = json.loads(_aws(environment, "sts", "get-caller-identity", "--output", "json"))
    assert identity["Account"] == "123456789012"
    assert ":assumed-role/" in identity["Arn"]


@pytest.mark.slow
def test_an_endpoint_is_scaled(server: Server, environment: dict[str, str]) -> None:
    """`aws application-autoscaling` and `aws cloudwatch` as AWS's guide shows them (K14)."""
    serve_xgboost(server, "scaled-by-cli")
    target = ("--service-namespace", "sagemaker", "--resource-id", "endpoint/scaled-by-cli/variant/v")
    target += ("--scalable-dimension", "sagemaker:variant:DesiredInstanceCount")
    register = ("register-scalable-target", "--min-capacity", "2", "--max-capacity", "3")
    assert "ScalableTargetARN" in _aws(environment, "application-autoscaling", *register, *target)
    metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    policy = ("put-scaling-policy", "--policy-name", "p", "--policy-type", "TargetTrackingScaling")
    policy += (
        "--target-tracking-scaling-policy-configuration",
        json.dumps({"TargetValue": 70, "PredefinedMetricSpecification": metric}),
    )
    made = json.loads(_aws(environment, "application-autoscaling", *policy, *target))
    alarms = json.loads(
        _aws(environment, "cloudwatch", "describe-alarms", "--alarm-name-prefix", "TargetTracking-endpoint/scaled")
    )
    assert [alarm["AlarmName"] for alarm in alarms["MetricAlarms"]] == [alarm["AlarmName"] for alarm in made["Alarms"]]
    describe = ("describe-scaling-activities", "--service-namespace", "sagemaker")

    def reached() -> bool:
        found = json.loads(_aws(environment, "application-autoscaling", *describe))["ScalingActivities"]
        return any((one["StatusCode"], one["Cause"]) == ("Successful", "minimum capacity was set to 2") for one in found)

    eventually(reached, 60)
