"""boto3 clients against the wire package: what a user's program sees, per protocol. Feature row A04."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError
from protocol.connection import Server

from sagewright.wire.errors import Fault

Clients = Callable[..., Any]
MOMENT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def test_json_answer_and_request_id(server: Server, client: Clients) -> None:
    server.answers["DescribeModel"] = {"ModelName": "m", "ModelArn": "arn", "CreationTime": MOMENT.timestamp() + 0.25}
    answer = client("sagemaker").describe_model(ModelName="m")
    assert answer["CreationTime"].timestamp() == MOMENT.timestamp() + 0.25
    assert answer["ResponseMetadata"]["RequestId"] == "request-1"
    assert server.document == {"ModelName": "m"}


def test_json_timestamps_arrive_as_epoch_seconds(server: Server, client: Clients) -> None:
    client("sagemaker").list_models(CreationTimeAfter=MOMENT)
    assert server.document == {"CreationTimeAfter": MOMENT.timestamp()}


def test_json_fault_becomes_the_modelled_exception(server: Server, client: Clients) -> None:
    sagemaker = client("sagemaker")
    server.answers["DescribeTrainingJob"] = Fault("ResourceNotFound", "Requested resource not found.")
    with pytest.raises(sagemaker.exceptions.ResourceNotFound, match=r"Requested resource not found\."):
        sagemaker.describe_training_job(TrainingJobName="t")
    assert orjson.loads(server.response.body)["__type"] == "ResourceNotFound"


def test_an_operation_without_output_answers_an_empty_body(server: Server, client: Clients) -> None:
    client("sagemaker").delete_model(ModelName="m")
    assert (server.response.status, server.response.body) == (200, b"")


def test_rest_labels_headers_and_payload(server: Server, client: Clients) -> None:
    server.answers["InvokeEndpoint"] = {
        "Body": b"0.5",
        "ContentType": "text/csv",
        "InvokedProductionVariant": "A",
        "CustomAttributes": "y",
    }
    answer = client("sagemaker-runtime").invoke_endpoint(
        EndpointName="my-endpoint",
        Body=b"\x00\xff",
        ContentType="text/csv",
        Accept="text/csv",
        CustomAttributes="x",
        TargetVariant="A",
    )
    assert (answer["Body"].read(), answer["ContentType"], answer["InvokedProductionVariant"]) == (b"0.5", "text/csv", "A")
    expected = {"EndpointName": "my-endpoint", "Body": b"\x00\xff", "ContentType": "text/csv", "Accept": "text/csv"}
    assert server.document == expected | {"CustomAttributes": "x", "TargetVariant": "A"}


def test_rest_status_of_the_model(server: Server, client: Clients) -> None:
    server.answers["InvokeEndpointAsync"] = {"InferenceId": "i", "OutputLocation": "s3://b/o"}
    answer = client("sagemaker-runtime").invoke_endpoint_async(EndpointName="e", InputLocation="s3://b/i")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["OutputLocation"] == "s3://b/o"


def test_rest_fault_keeps_the_members_of_its_shape(server: Server, client: Clients) -> None:
    runtime = client("sagemaker-runtime")
    fields = {"OriginalStatusCode": 500, "OriginalMessage": "boom", "LogStreamArn": "arn"}
    server.answers["InvokeEndpoint"] = Fault("ModelError", "Received server error (500) from primary", 424, fields)
    with pytest.raises(runtime.exceptions.ModelError) as failed:
        runtime.invoke_endpoint(EndpointName="e", Body=b"")
    assert failed.value.response["OriginalStatusCode"] == 500
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert ("x-amzn-errortype", "ModelError") in server.response.headers


def test_the_models_status_is_used_where_the_fault_names_none(server: Server, client: Clients) -> None:
    store = client("sagemaker-featurestore-runtime")
    server.answers["GetRecord"] = Fault("ResourceNotFound", "no such group")
    with pytest.raises(store.exceptions.ResourceNotFound) as failed:
        store.get_record(FeatureGroupName="g", RecordIdentifierValueAsString="1")
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_rest_query_lists_and_percent_encoding(server: Server, client: Clients) -> None:
    client("sagemaker-featurestore-runtime").get_record(
        FeatureGroupName="g", RecordIdentifierValueAsString="a b/ü&=+", FeatureNames=["x", "y"]
    )
    assert server.document == {"FeatureGroupName": "g", "RecordIdentifierValueAsString": "a b/ü&=+", "FeatureNames": ["x", "y"]}


def test_rest_iso_timestamps_both_ways(server: Server, client: Clients) -> None:
    """a2i's Timestamp has timestampFormat iso8601 in the model."""
    loop = {
        "HumanLoopName": "l",
        "HumanLoopStatus": "Completed",
        "CreationTime": MOMENT.timestamp(),
        "FlowDefinitionArn": "arn",
    }
    server.answers["ListHumanLoops"] = {"HumanLoopSummaries": [loop]}
    arn = "arn:aws:sagemaker:us-east-1:123456789012:flow-definition/f"
    answer = client("sagemaker-a2i-runtime").list_human_loops(FlowDefinitionArn=arn, CreationTimeAfter=MOMENT)
    assert answer["HumanLoopSummaries"][0]["CreationTime"] == MOMENT
    assert server.document == {"FlowDefinitionArn": arn, "CreationTimeAfter": MOMENT.timestamp()}


def test_event_stream_parts(server: Server, client: Clients) -> None:
    runtime = client("sagemaker-runtime")
    server.answers["InvokeEndpointWithResponseStream"] = {
        "Body": [{"PayloadPart": {"Bytes": b"a"}}, {"PayloadPart": {"Bytes": b"b\x00"}}]
    }
    answer = runtime.invoke_endpoint_with_response_stream(EndpointName="e", Body=b"")
    assert [event["PayloadPart"]["Bytes"] for event in answer["Body"]] == [b"a", b"b\x00"]


def test_query_answer_is_xml_with_everything_escaped(server: Server, client: Clients) -> None:
    server.answers["GetCallerIdentity"] = {"Account": "1", "UserId": "<&>\"'\r\n\x0b", "Arn": "arn:ü"}
    answer = client("sts").get_caller_identity()
    assert (answer["UserId"], answer["Arn"]) == ("<&>\"'\r\n\ufffd", "arn:ü")
    assert server.response.body.startswith(b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">')
    assert answer["ResponseMetadata"]["RequestId"] == "request-1"


def test_query_lists_numbers_and_timestamps(server: Server, client: Clients) -> None:
    credentials = {"AccessKeyId": "A" * 20, "SecretAccessKey": "s", "SessionToken": "t", "Expiration": MOMENT.timestamp()}
    server.answers["AssumeRole"] = {"Credentials": credentials}
    answer = client("sts").assume_role(
        RoleArn="arn:aws:iam::123456789012:role/R", RoleSessionName="me", DurationSeconds=900, Tags=[{"Key": "a", "Value": "b"}]
    )
    assert answer["Credentials"]["Expiration"] == MOMENT
    assert server.document["DurationSeconds"] == 900
    assert server.document["Tags"] == [{"Key": "a", "Value": "b"}]


def test_query_empty_list(server: Server, client: Clients) -> None:
    client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/R", RoleSessionName="me", Tags=[])
    assert server.document["Tags"] == []


def test_query_fault_has_the_query_code_and_the_models_status(server: Server, client: Clients) -> None:
    """iam's NoSuchEntityException goes out as NoSuchEntity with 404 (its error trait)."""
    iam = client("iam")
    server.answers["GetRole"] = Fault("NoSuchEntityException", "The role with name R cannot be found.")
    with pytest.raises(iam.exceptions.NoSuchEntityException) as failed:
        iam.get_role(RoleName="R")
    assert failed.value.response["Error"] == {
        "Type": "Sender",
        "Code": "NoSuchEntity",
        "Message": "The role with name R cannot be found.",
    }
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_a_compressed_body_is_unpacked(server: Server, client: Clients) -> None:
    """cloudwatch's PutMetricData has the requestcompression trait; botocore compresses above 10 KiB."""
    data = [{"MetricName": f"metric-{number}", "Value": float(number), "Timestamp": MOMENT} for number in range(500)]
    client("cloudwatch").put_metric_data(Namespace="n", MetricData=data)
    assert server.request.headers["content-encoding"] == "gzip"
    assert gzip.decompress(server.request.body)
    assert server.document["MetricData"][499] == {"MetricName": "metric-499", "Value": 499.0, "Timestamp": MOMENT.timestamp()}


def test_validation_faults_reach_the_user_as_client_errors(client: Clients) -> None:
    with pytest.raises(
        ClientError, match="1 validation error detected: Value 'a b' at 'modelName' failed to satisfy constraint"
    ) as failed:
        client("sagemaker").describe_model(ModelName="a b")
    assert failed.value.response["Error"]["Code"] == "ValidationException"
