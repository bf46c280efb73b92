"""Control is killed while a recommendation job loads an endpoint: the job goes on, and nothing is left behind (L05)."""

from __future__ import annotations

import psutil
import pytest
from support.jobs import archive, bucket, wait
from support.server import ROLE, XGBOOST, eventually, running_server
from support.serving import xgboost_model

MODULE = "sagewright.features.recommendations.load_program"


def loads(supervisor: int) -> list[psutil.Process]:
    found = []
    for process in psutil.Process(supervisor).children(recursive=True):
        try:
            if MODULE in process.cmdline():
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.slow
def test_control_is_killed_under_load() -> None:
    with running_server(recommender_seconds=3.0) as server:
        store, sagemaker = bucket(server, "recommender"), server.client("sagemaker")
        server.client("s3").put_object(Bucket=store, Key="model.tar.gz", Body=archive({"xgboost-model": xgboost_model()}))
        server.client("s3").put_object(Bucket=store, Key="payload.tar.gz", Body=archive({"one.csv": "5,1"}))
        container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{store}/model.tar.gz"}
        sagemaker.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer=container)
        payload = {"SamplePayloadUrl": f"s3://{store}/payload.tar.gz", "SupportedContentTypes": ["text/csv"]}
        given = {"ModelName": "m", "ContainerConfig": {"PayloadConfig": payload}}
        given["EndpointConfigurations"] = [{"InstanceType": "ml.c5.large"}]
        sagemaker.create_inference_recommendations_job(JobName="j", JobType="Default", RoleArn=ROLE, InputConfig=given)
        assert server.process is not None
        pid = server.process.pid
        (load,) = eventually(lambda: loads(pid), seconds=60)
        server.kill("control")
        eventually(lambda: not load.is_running() or load.status() == psutil.STATUS_ZOMBIE, seconds=20)
        job = wait(
            lambda: sagemaker.describe_inference_recommendations_job(JobName="j"), "Status", {"COMPLETED", "FAILED"}, 120
        )
        assert job["Status"] == "COMPLETED", job
        assert len(job["InferenceRecommendations"]) == 2
        assert list((server.settings.data / "loads").iterdir()) == []
        eventually(lambda: sagemaker.list_endpoints()["Endpoints"] == [], seconds=30)
        assert [model["ModelName"] for model in sagemaker.list_models()["Models"]] == ["m"]
        assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
