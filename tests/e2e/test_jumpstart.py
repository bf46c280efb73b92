"""J15: JumpStart's bucket as any S3 client sees it, and its models from their specifications to an answer (H18 to H24)."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError
from support.cases import Case, load, names
from support.jobs import bucket, training_job, wait_for_endpoint, wait_for_job
from support.server import ROLE, Server

REGION = "us-west-2"
JUMPSTART = f"jumpstart-cache-prod-{REGION}"
CASES = [name for name in names() if load(name).model_id]


@pytest.fixture(scope="module")
def data(server: Server) -> str:
    return bucket(server, "jumpstart-cases")


def document(server: Server, key: str, region: str = REGION) -> Any:
    answer = server.client("s3").get_object(Bucket=f"jumpstart-cache-prod-{region}", Key=key)
    return json.loads(answer["Body"].read())


def specification(server: Server, model: str, region: str = REGION) -> dict[str, Any]:
    headers = {header["model_id"]: header for header in document(server, "models_manifest.json", region)}
    return dict(document(server, headers[model]["spec_key"], region))


def test_it_is_there_in_every_region_and_in_nobodys_way(server: Server) -> None:
    s3 = server.client("s3")
    for region in ("us-west-2", "eu-central-1", "ap-southeast-1"):
        spec = specification(server, "lightgbm-classification-model", region)
        (aliases,) = spec["training_instance_type_variants"]["regional_aliases"].values()
        assert f".ecr.{region}.amazonaws.com/" in aliases["cpu_image_uri"]
    assert not [found for found in s3.list_buckets()["Buckets"] if "jumpstart" in found["Name"]]
    assert s3.head_bucket(Bucket=JUMPSTART)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert s3.get_bucket_location(Bucket=JUMPSTART)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_it_lists_as_s3_does(server: Server) -> None:
    s3 = server.client("s3")
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=JUMPSTART, PaginationConfig={"PageSize": 3}))
    keys = [item["Key"] for page in pages for item in page["Contents"]]
    assert len(pages) > 2
    assert keys == sorted(set(keys))
    older = [item["Key"] for page in s3.get_paginator("list_objects").paginate(Bucket=JUMPSTART) for item in page["Contents"]]
    assert older == keys
    folders = s3.list_objects_v2(Bucket=JUMPSTART, Delimiter="/")
    assert {"Prefix": "training-datasets/"} in folders["CommonPrefixes"]
    assert "models_manifest.json" in [item["Key"] for item in folders["Contents"]]
    paged = list(
        s3.get_paginator("list_objects_v2").paginate(Bucket=JUMPSTART, Delimiter="/", PaginationConfig={"PageSize": 1})
    )
    shown = [item["Prefix"] for page in paged for item in page.get("CommonPrefixes", ())]
    assert shown == [item["Prefix"] for item in folders["CommonPrefixes"]]
    below = s3.list_objects_v2(Bucket=JUMPSTART, Prefix="training-datasets/tabular_regression/")["Contents"]
    assert [item["Key"].rpartition("tabular_regression/")[2] for item in below] == ["train/data.csv", "validation/data.csv"]


def test_an_object_can_be_read_in_every_way(server: Server, data: str) -> None:
    s3, place = server.client("s3"), {"Bucket": JUMPSTART, "Key": "training-datasets/tabular_regression/train/data.csv"}
    whole = s3.get_object(**place)
    body = whole["Body"].read()
    head = s3.head_object(**place)
    assert (head["ContentLength"], head["ETag"], head["ContentType"]) == (len(body), whole["ETag"], "text/csv")
    assert s3.get_object(**place, Range="bytes=10-19")["Body"].read() == body[10:20]
    assert s3.get_object(**place, Range="bytes=-5")["Body"].read() == body[-5:]
    with urlopen(s3.generate_presigned_url("get_object", Params=place), timeout=10) as answer:
        assert answer.read() == body
    s3.copy_object(Bucket=data, Key="copied.csv", CopySource=place)
    assert s3.get_object(Bucket=data, Key="copied.csv")["Body"].read() == body
    script = s3.get_object(Bucket=JUMPSTART, Key=specification(server, "catboost-regression-model")["training_script_key"])
    with tarfile.open(fileobj=io.BytesIO(script["Body"].read())) as tar:
        assert tar.getnames() == ["transfer_learning.py"]


def test_what_is_not_there_and_what_is_not_allowed(server: Server, data: str) -> None:
    s3 = server.client("s3")

    def code(operation: str, **request: Any) -> str:
        with pytest.raises(ClientError) as refused:
            getattr(s3, operation)(**request)
        return str(refused.value.response["Error"]["Code"])

    assert code("get_object", Bucket=JUMPSTART, Key="no/such/key") == "NoSuchKey"
    assert code("copy_object", Bucket=data, Key="x", CopySource=f"{JUMPSTART}/no/such/key") == "NoSuchKey"
    assert code("get_object", Bucket=JUMPSTART, Key="models_manifest.json", Range="bytes=9999999-") == "InvalidRange"
    assert code("put_object", Bucket=JUMPSTART, Key="mine", Body=b"x") == "AccessDenied"
    assert code("delete_object", Bucket=JUMPSTART, Key="models_manifest.json") == "AccessDenied"
    assert code("create_bucket", Bucket=JUMPSTART) == "AccessDenied"
    assert code("get_bucket_policy", Bucket=JUMPSTART) == "AccessDenied"
    assert code("get_object", Bucket="jumpstart-cache-prod-mine", Key="x") == "NoSuchBucket"


@pytest.mark.parametrize("name", CASES)
def test_train_deploy_and_predict(server: Server, data: str, name: str) -> None:
    """As the SDKs do it: everything out of the specification."""
    case = load(name)
    spec = specification(server, case.model_id)
    described = trained(server, data, case, spec)
    metrics = {metric["MetricName"] for metric in described.get("FinalMetricDataList", ())}
    assert set(case.metrics) <= metrics
    deploy(server, case.model_id, spec, described["ModelArtifacts"]["S3ModelArtifacts"])
    runtime = server.client("sagemaker-runtime")

    def invoke(content_type: str, body: bytes, accept: str) -> bytes:
        given = {"Accept": accept} if accept else {}
        answer = runtime.invoke_endpoint(EndpointName=case.model_id, ContentType=content_type, Body=body, **given)
        return bytes(answer["Body"].read())

    case.check(invoke)
    for content_type, body in case.wrong_requests:
        with pytest.raises(ClientError) as refused:
            invoke(content_type, body, "")
        assert refused.value.response["OriginalStatusCode"] == 400
    server.client("sagemaker").delete_endpoint(EndpointName=case.model_id)


def test_a_model_without_training(server: Server) -> None:
    """JumpStartModel(…).deploy(): what was trained on the default data when it was first asked for."""
    model = "catboost-regression-model"
    spec = specification(server, model)
    deploy(server, f"ready-made-{model}", spec, f"s3://{JUMPSTART}/{spec['hosting_prepacked_artifact_key']}")
    rows = server.client("s3").get_object(Bucket=JUMPSTART, Key=f"{spec['default_training_dataset_key']}validation/data.csv")[
        "Body"
    ]
    table = [line.split(",") for line in rows.read().decode().splitlines()]
    answer = server.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=f"ready-made-{model}",
        ContentType="text/csv",
        Body="\n".join(",".join(row[1:]) for row in table).encode(),
    )
    predictions = json.loads(answer["Body"].read())["prediction"]
    mean = sum(float(row[0]) for row in table) / len(table)
    errors = [(predicted - float(row[0])) ** 2 for predicted, row in zip(predictions, table, strict=True)]
    assert sum(errors) < 0.8 * sum((float(row[0]) - mean) ** 2 for row in table)
    server.client("sagemaker").delete_endpoint(EndpointName=f"ready-made-{model}")


def trained(server: Server, data: str, case: Case, spec: dict[str, Any]) -> dict[str, Any]:
    """The description of the case's job, Completed."""
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    channels = []
    for name, channel in case.channels.items():
        for path, content in channel.files.items():
            s3.put_object(Bucket=data, Key=f"{case.algorithm}/{name}/{path}", Body=content)
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{data}/{case.algorithm}/{name}/"}
        kind = {"ContentType": channel.content_type} if channel.content_type else {}
        channels.append({"ChannelName": name, **kind, "DataSource": {"S3DataSource": source}})
    job = f"case-{case.model_id}"
    sagemaker.create_training_job(
        **training_job(
            job,
            data,
            AlgorithmSpecification={
                "TrainingImage": image(spec, "training"),
                "TrainingInputMode": "File",
                "MetricDefinitions": spec["metrics"],
            },
            HyperParameters={
                **dict(case.hyperparameters),
                "sagemaker_program": '"transfer_learning.py"',
                "sagemaker_submit_directory": f'"s3://{JUMPSTART}/{spec["training_script_key"]}"',
            },
            InputDataConfig=channels,
            EnableNetworkIsolation=spec["training_enable_network_isolation"],
        )
    )
    described = wait_for_job(sagemaker, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    return described


def deploy(server: Server, name: str, spec: dict[str, Any], artifact: str) -> None:
    """An endpoint of this name, InService."""
    sagemaker = server.client("sagemaker")
    environment = {item["name"]: str(item["default"]) for item in spec["inference_environment_variables"]}
    container = {"Image": image(spec, "hosting"), "ModelDataUrl": artifact, "Environment": environment}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container, EnableNetworkIsolation=True)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    endpoint = wait_for_endpoint(sagemaker, name)
    assert endpoint["EndpointStatus"] == "InService", endpoint.get("FailureReason")


def image(spec: dict[str, Any], scope: str) -> str:
    """That of an instance with a CPU."""
    return str(spec[f"{scope}_instance_type_variants"]["regional_aliases"][REGION]["cpu_image_uri"])
