"""An inference experiment on a real server: calls, copies, metrics side by side, records of both variants in S3, promotion (K09)."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from support.rollouts import deploy
from support.server import ROLE, Server, eventually

STORE = "rollouts"
"""The bucket that ``deploy`` makes."""


def described(name: str, model: str) -> dict[str, Any]:
    real_time = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
    infrastructure = {"InfrastructureType": "RealTimeInference", "RealTimeInferenceConfig": real_time}
    return {"VariantName": name, "ModelName": model, "InfrastructureConfig": infrastructure}


@pytest.mark.slow
def test_a_shadow_test_from_its_start_to_the_promotion(server: Server) -> None:
    sagemaker = deploy(server, "judged")
    runtime, cloudwatch, s3 = (server.client(name) for name in ("sagemaker-runtime", "cloudwatch", "s3"))
    sagemaker.create_inference_experiment(
        Name="judged-test",
        Type="ShadowMode",
        RoleArn=ROLE,
        EndpointName="judged",
        ModelVariants=[described("AllTraffic", "judged-1"), described("Candidate", "judged-3")],
        ShadowModeConfig={
            "SourceModelVariantName": "AllTraffic",
            "ShadowModelVariants": [{"ShadowModelVariantName": "Candidate", "SamplingPercentage": 100}],
        },
        DataStorageConfig={
            "Destination": f"s3://{STORE}/judged",
            "ContentType": {"CsvContentTypes": ["text/csv"]},
        },
    )

    def status() -> str:
        return str(sagemaker.describe_inference_experiment(Name="judged-test")["Status"])

    eventually(lambda: status() == "Running", 60)
    for _ in range(20):
        answer = runtime.invoke_endpoint(EndpointName="judged", ContentType="text/csv", Body="5,1")
        assert float(answer["Body"].read()) < 10

    def count(name: str) -> float:
        dimensions = [{"Name": "EndpointName", "Value": "judged"}, {"Name": "VariantName", "Value": name}]
        now = time.time()
        found = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="Invocations",
            Dimensions=dimensions,
            StartTime=now - 300,
            EndTime=now + 60,
            Period=60,
            Statistics=["Sum"],
        )
        return float(sum(point["Sum"] for point in found["Datapoints"]))

    eventually(lambda: (count("AllTraffic"), count("Candidate")) == (20, 20))

    def answers(name: str) -> list[float]:
        listed = s3.list_objects_v2(Bucket=STORE, Prefix=f"judged/judged/{name}/").get("Contents", [])
        lines = [line for entry in listed for line in s3.get_object(Bucket=STORE, Key=entry["Key"])["Body"].read().splitlines()]
        return [float(json.loads(line)["captureData"]["endpointOutput"]["data"]) for line in lines]

    eventually(lambda: len(answers("AllTraffic")) == 20 and len(answers("Candidate")) == 20)
    assert max(answers("AllTraffic")) < 10 < min(answers("Candidate"))
    actions = {"AllTraffic": "Remove", "Candidate": "Promote"}
    sagemaker.stop_inference_experiment(Name="judged-test", ModelVariantActions=actions)
    eventually(lambda: status() == "Completed", 60)
    assert float(runtime.invoke_endpoint(EndpointName="judged", ContentType="text/csv", Body="5,1")["Body"].read()) > 10
