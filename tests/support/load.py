"""An endpoint on a real server, and callers who keep it busy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.jobs import bucket, wait_for_endpoint
from support.server import ROLE, XGBOOST, Server
from support.serving import archive, xgboost_model


def serve_xgboost(server: Server, name: str) -> dict[str, Any]:
    """An endpoint of one instance in service; its variant is ``v``."""
    store, sagemaker = bucket(server, f"models-of-{name}"), server.client("sagemaker")
    server.client("s3").put_object(Bucket=store, Key="model.tar.gz", Body=archive({"xgboost-model": xgboost_model()}))
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": XGBOOST, "ModelDataUrl": f"s3://{store}/model.tar.gz"},
    )
    variant = {"VariantName": "v", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    found = wait_for_endpoint(sagemaker, name)
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")
    return found


@contextmanager
def load(server: Server, name: str, callers: int = 2) -> Iterator[list[str]]:
    """Calls the endpoint as fast as it answers; yields what went wrong."""
    stop, problems = threading.Event(), list[str]()

    def call() -> None:
        runtime = server.client("sagemaker-runtime")
        while not stop.is_set():
            try:
                runtime.invoke_endpoint(EndpointName=name, ContentType="text/csv", Body=b"5,1")
            except Exception as error:  # noqa: BLE001 - the test looks at what is noted
                problems.append(str(error))
        runtime.close()

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield problems
    finally:
        stop.set()
        for thread in threads:
            thread.join()
