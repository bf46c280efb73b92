"""Service Quotas through boto3. Feature row G19."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import botocore.exceptions
import pytest
from harness import CALLER, Harness, Parts

from sagewright.neighbours.service_quotas import ServiceQuotas

NAME = "ml.m5.xlarge for training job usage"


def _install(parts: Parts) -> None:
    for name, handler in ServiceQuotas(parts.store).operations().items():
        parts.operations.write("service-quotas", name, handler)


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    with Harness(install=_install) as made:
        yield made


@pytest.fixture
def quotas(harness: Harness, request: pytest.FixtureRequest) -> Any:
    """Each test has an account of its own."""
    return harness.client("service-quotas", account=f"{abs(hash(request.node.name)) % 10**12:012}")


def listed(quotas: Any, operation: str = "list_service_quotas") -> dict[str, dict[str, Any]]:
    pages = quotas.get_paginator(operation).paginate(ServiceCode="sagemaker")
    return {quota["QuotaName"]: quota for page in pages for quota in page["Quotas"]}


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(ServiceCode=arguments.pop("ServiceCode", "sagemaker"), **arguments)
    return str(caught.value.response["Error"]["Code"])


def test_the_list(quotas: Any) -> None:
    """ListServices, ListServiceQuotas in pages, ListAWSDefaultServiceQuotas; names as in AWS's messages."""
    assert quotas.list_services()["Services"] == [{"ServiceCode": "sagemaker", "ServiceName": "Amazon SageMaker"}]
    found = listed(quotas)
    assert len(found) > 300
    assert found == listed(quotas, "list_aws_default_service_quotas")
    assert found[NAME]["Value"] == 4.0
    assert found["ml.p3.2xlarge for training job usage"]["Value"] == 0.0
    assert found["ml.m5.xlarge for spot training job usage"]["Value"] == 4.0
    assert found["ml.m5.xlarge for training warm pool usage"]["Value"] == 0.0
    assert found[NAME]["QuotaArn"].endswith(f":sagemaker/{found[NAME]['QuotaCode']}")
    assert len({quota["QuotaCode"] for quota in found.values()}) == len(found)
    code = found[NAME]["QuotaCode"]
    (one,) = quotas.list_service_quotas(ServiceCode="sagemaker", QuotaCode=code)["Quotas"]
    assert one == quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode=code)["Quota"]


def test_a_raise(quotas: Any) -> None:
    """RequestServiceQuotaIncrease is granted at once and remembered."""
    code = listed(quotas)[NAME]["QuotaCode"]
    changes = [
        quotas.request_service_quota_increase(ServiceCode="sagemaker", QuotaCode=code, DesiredValue=value)["RequestedQuota"]
        for value in (10, 20)
    ]
    assert [(change["Status"], change["DesiredValue"]) for change in changes] == [("APPROVED", 10.0), ("APPROVED", 20.0)]
    assert changes[0]["Requester"] == CALLER.arn
    assert quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode=code)["Quota"]["Value"] == 20.0
    assert quotas.get_aws_default_service_quota(ServiceCode="sagemaker", QuotaCode=code)["Quota"]["Value"] == 4.0
    found = quotas.get_requested_service_quota_change(RequestId=changes[0]["Id"])["RequestedQuota"]
    assert found == changes[0]
    history = quotas.list_requested_service_quota_change_history(ServiceCode="sagemaker")["RequestedQuotas"]
    assert {change["Id"] for change in history} == {change["Id"] for change in changes}

    def by_quota(**more: Any) -> dict[str, Any]:
        given = {"ServiceCode": "sagemaker", "QuotaCode": code, **more}
        return dict(quotas.list_requested_service_quota_change_history_by_quota(**given))

    assert len(by_quota()["RequestedQuotas"]) == 2
    assert by_quota(Status="DENIED")["RequestedQuotas"] == []
    rest = by_quota(NextToken=by_quota(MaxResults=1)["NextToken"])
    assert len(rest["RequestedQuotas"]) == 1


def test_what_is_refused(quotas: Any) -> None:
    """API errors of Service Quotas."""
    code = listed(quotas)[NAME]["QuotaCode"]
    assert refused(quotas.get_service_quota, QuotaCode="L-NOTHING") == "NoSuchResourceException"
    assert refused(quotas.get_service_quota, QuotaCode=code, ServiceCode="ec2") == "NoSuchResourceException"
    assert refused(quotas.list_service_quotas, ServiceCode="ec2") == "NoSuchResourceException"
    assert refused(quotas.list_service_quotas, NextToken="abcd") == "InvalidPaginationTokenException"
    increase = quotas.request_service_quota_increase
    assert refused(increase, QuotaCode=code, DesiredValue=4) == "IllegalArgumentException"
    assert refused(increase, QuotaCode=code, DesiredValue=9, ContextId="*") == "IllegalArgumentException"
    with pytest.raises(botocore.exceptions.ClientError, match="NoSuchResourceException"):
        quotas.get_requested_service_quota_change(RequestId="abc")
