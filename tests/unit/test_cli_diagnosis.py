"""What `sagewright explain` concludes from a description, a log and metrics (features N01, G19)."""

from __future__ import annotations

from typing import Any

import pytest

from sagewright.cli.diagnosis import Evidence, diagnose, first_error

MISSING = "FileNotFoundError: [Errno 2] No such file or directory: '/opt/ml/input/data/train/rows.csv'"
ISOLATED = {"EnableNetworkIsolation": True}


def evidence(reason: str = "", log: str = "", peaks: dict[str, float] | None = None, **description: Any) -> Evidence:
    return Evidence("Failed", {"FailureReason": reason, **description}, log.splitlines(), peaks or {})


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        (evidence("AlgorithmError: The training container ran out of memory; exit code: 137"), "Memory ran out"),
        (
            evidence("AlgorithmError: ended by signal SIGKILL, exit code: 137", peaks={"MemoryUtilization": 97.0}),
            "Memory ran out",
        ),
        (
            evidence("AlgorithmError: ended by signal SIGKILL, exit code: 137", peaks={"MemoryUtilization": 20.0}),
            "Something killed",
        ),
        (evidence("AlgorithmError: failed, exit code: 1", "MemoryError"), "Memory ran out"),
        (evidence("AlgorithmError: failed", "OSError: [Errno 28] No space left on device"), "The disk is full"),
        (
            evidence("AlgorithmError: failed", MISSING, InputDataConfig=[{"ChannelName": "training"}]),
            "no input named train; given: training",
        ),
        (evidence("ClientError: 'train' is a required property"), "no input named train; given: none"),
        (evidence("AlgorithmError: x, exit code: 1", "ModuleNotFoundError: No module named 'foo.bar'"), "no module foo.bar"),
        (evidence("AlgorithmError: x", "ERROR: No matching distribution found for foo"), "could not be installed"),
        (
            evidence("x", "socket.gaierror: [Errno -3] Temporary failure in name resolution", **ISOLATED),
            "EnableNetworkIsolation",
        ),
        (evidence("x", "ConnectionRefusedError: [Errno 111] Connection refused"), "could not reach an address"),
        (evidence("AlgorithmError: The training container failed, exit code: 139"), "OMP_NUM_THREADS=1"),
        (evidence("AlgorithmError: The training container failed, exit code: 127"), "not found in the image"),
        (evidence("x", "OSError: [Errno 30] Read-only file system: '/opt/ml/input/x'"), "Write to /opt/ml/model"),
        (evidence("AlgorithmError: The container did not pass the ping health check."), "GET /ping"),
        (evidence("", "any line", SecondaryStatus="MaxRuntimeExceeded"), "MaxRuntimeInSeconds"),
        (evidence("ClientError: No S3 objects found under S3 URL s3://b/p"), "data in S3"),
        (evidence("ClientError: '0' is not valid"), "The request is at fault"),
    ],
)
def test_the_likeliest_fix_comes_first(given: Evidence, fix: str) -> None:
    assert fix in diagnose(given).fixes[0]


def test_a_channel_that_is_there_is_not_missing() -> None:
    given = evidence("AlgorithmError: failed, exit code: 1", MISSING, InputDataConfig=[{"ChannelName": "train"}])
    assert diagnose(given).fixes == ()


def test_facts_are_named_in_order() -> None:
    given = evidence(
        "AlgorithmError: ended by signal SIGKILL, exit code: 137",
        "one\nERROR two",
        {"MemoryUtilization": 99.6},
        ProcessingInputs=[{"InputName": "input-1"}],
    )
    assert diagnose(given).facts == (
        ("FailureReason", "AlgorithmError: ended by signal SIGKILL, exit code: 137"),
        ("exit code", "137"),
        ("ended by signal", "SIGKILL"),
        ("first error in the log", "ERROR two"),
        ("inputs", "input-1"),
        ("highest MemoryUtilization", "100 % of what the instance type has"),
    )


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", ""),
        ("all is well", ""),
        ('Traceback (most recent call last):\n  File "a.py", line 1\n    x\nKeyError: 3\nafter', "KeyError: 3"),
        ("x\nmy.module.CustomError: bad\nValueError: later", "my.module.CustomError: bad"),
        ("Errors: none so far\n2026 ERROR worker died", "2026 ERROR worker died"),
    ],
)
def test_the_first_error_of_a_log(log: str, line: str) -> None:
    assert first_error(log.splitlines()) == line


def test_who_has_not_failed_gets_no_advice() -> None:
    assert diagnose(Evidence("Completed", {})).fixes == ()


def test_what_an_endpoint_waits_for_is_a_fact() -> None:
    """K14: `sagewright explain` of an endpoint whose instances find no room."""
    stage = {"Status": "Updating", "StatusMessage": "Waiting for capacity: this machine is full."}
    variants = [{"VariantName": "a"}, {"VariantName": "b", "VariantStatus": [stage]}]
    facts = diagnose(Evidence("Updating", {"ProductionVariants": variants})).facts
    assert facts == (("variants", "b: Waiting for capacity: this machine is full."),)
