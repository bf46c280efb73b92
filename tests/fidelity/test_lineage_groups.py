"""API ListLineageGroups, DescribeLineageGroup: the one group that every account has. Feature row M09."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from harness import Harness


def test_every_account_has_its_default_group() -> None:
    with Harness() as sagewright:
        sagemaker = sagewright.client("sagemaker")
        (summary,) = sagemaker.list_lineage_groups()["LineageGroupSummaries"]
        described = sagemaker.describe_lineage_group(LineageGroupName="sagemaker-default-lineage-group")
        assert described["LineageGroupArn"] == summary["LineageGroupArn"]
        assert described["CreationTime"] == summary["CreationTime"]
        with pytest.raises(ClientError) as caught:
            sagemaker.describe_lineage_group(LineageGroupName="another")
        assert caught.value.response["Error"]["Code"] == "ResourceNotFound"
