"""EC2 through boto3: what ModelBuilder of both SDKs asks of it before it deploys or optimizes a language model. Feature rows K13, L01."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import botocore.exceptions
import pytest
from harness import Harness, Parts

from sagewright.neighbours.ec2 import Ec2
from sagewright.wire.dispatch import fault_response
from sagewright.wire.errors import Fault
from sagewright.wire.family import Family
from sagewright.wire.http import Request
from sagewright.wire.refusals import UNKNOWN_KEY, in_family


def _install(parts: Parts) -> None:
    for name, handler in Ec2().operations().items():
        parts.operations.write("ec2", name, handler)


@pytest.fixture(scope="module")
def ec2() -> Iterator[Any]:
    with Harness(install=_install) as made:
        yield made.client("ec2")


def refused(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_the_gpus_of_an_instance_type(ec2: Any) -> None:
    """As the SDKs read them (serve/utils/hardware_detector.py): Gpus[0].Count and TotalGpuMemoryInMiB."""
    one, eight = ec2.describe_instance_types(InstanceTypes=["g5.2xlarge", "p4d.24xlarge"])["InstanceTypes"]
    assert (one["InstanceType"], one["VCpuInfo"], one["MemoryInfo"]) == (
        "g5.2xlarge",
        {"DefaultVCpus": 8},
        {"SizeInMiB": 32768},
    )
    assert (one["GpuInfo"]["Gpus"][0]["Count"], one["GpuInfo"]["TotalGpuMemoryInMiB"]) == (1, 24576)
    assert (eight["GpuInfo"]["Gpus"][0]["Name"], eight["GpuInfo"]["TotalGpuMemoryInMiB"]) == ("A100", 8 * 40960)


def test_a_type_without_gpus_has_none(ec2: Any) -> None:
    (found,) = ec2.describe_instance_types(InstanceTypes=["m5.large"])["InstanceTypes"]
    assert "GpuInfo" not in found


def test_all_types_come_in_pages(ec2: Any) -> None:
    pages = list(ec2.get_paginator("describe_instance_types").paginate(PaginationConfig={"PageSize": 50}))
    names = [found["InstanceType"] for page in pages for found in page["InstanceTypes"]]
    assert len(pages) == -(-len(names) // 50) > 1
    assert names == sorted(set(names))
    assert {"m5.large", "g5.2xlarge", "p5.48xlarge"} <= set(names)


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        ({"InstanceTypes": ["g5.2xlarge", "a1.medium"]}, "InvalidInstanceType", 400),  # SageMaker does not offer it
        ({"InstanceTypes": ["ml.g5.2xlarge"]}, "InvalidParameterValue", 400),
        ({"InstanceTypes": ["g5.2xlarge"], "MaxResults": 5}, "InvalidParameterCombination", 400),
        ({"NextToken": "none of ours"}, "InvalidNextToken", 400),
        ({"Filters": [{"Name": "current-generation", "Values": ["true"]}]}, "InvalidParameterValue", 400),
        ({"DryRun": True}, "DryRunOperation", 412),
    ],
)
def test_what_it_refuses(ec2: Any, arguments: dict[str, Any], code: str, status: int) -> None:
    assert refused(ec2.describe_instance_types, **arguments) == (code, status)


def test_other_operations_are_not_there(ec2: Any) -> None:
    assert refused(ec2.describe_vpcs) == ("InvalidAction", 400)


def test_bad_keys_are_refused_in_ec2_s_words() -> None:
    """As its error codes page has them."""
    fault = in_family(Fault(UNKNOWN_KEY, "", 403), Family.EC2)
    answer = fault_response(Request("POST", "/", "", {}, b""), fault, "request-1", "ec2")
    assert answer.status == 401
    assert answer.body.startswith(b"<Response><Errors><Error><Code>AuthFailure</Code>")
