"""Lists of what comes out of work that is not there yet are truly empty; below a parent that is missing they say so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import ROLE, Harness


@pytest.fixture(scope="module")
def sagemaker() -> Iterator[Any]:
    with Harness() as sagewright:
        yield sagewright.client("sagemaker")


def test_without_a_parent(sagemaker: Any) -> None:
    assert sagemaker.list_model_metadata()["ModelMetadataSummaries"] == []
    assert sagemaker.list_monitoring_alert_history()["MonitoringAlertHistory"] == []
    assert sagemaker.list_monitoring_executions()["MonitoringExecutionSummaries"] == []
    assert sagemaker.list_pipeline_execution_steps()["PipelineExecutionSteps"] == []
    assert sagemaker.list_resource_catalogs()["ResourceCatalogs"] == []


def test_below_a_pipeline_that_is_there(sagemaker: Any) -> None:
    definition = json.dumps({"Version": "2020-12-01", "Steps": []})
    sagemaker.create_pipeline(PipelineName="empty", PipelineDefinition=definition, RoleArn=ROLE, ClientRequestToken="t" * 32)
    assert sagemaker.list_pipeline_executions(PipelineName="empty")["PipelineExecutionSummaries"] == []


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("list_candidates_for_auto_ml_job", {"AutoMLJobName": "absent"}),
        ("list_cluster_nodes", {"ClusterName": "absent"}),
        ("list_monitoring_alerts", {"MonitoringScheduleName": "absent"}),
        ("list_pipeline_executions", {"PipelineName": "absent"}),
    ],
)
def test_below_a_parent_that_is_missing(sagemaker: Any, operation: str, request_: dict[str, str]) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(sagemaker, operation)(**request_)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFound"
