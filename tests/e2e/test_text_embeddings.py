"""An endpoint of TEI's image on an encoder made on the spot, by boto3 against a real server (K02)."""

from __future__ import annotations

import json
import math
from typing import Any

import botocore.exceptions
import pytest
from support.embedding_models import encoder, files
from support.jobs import archive, bucket, wait_for_endpoint
from support.server import ROLE, Server

TEI = "683313688378.dkr.ecr.us-east-1.amazonaws.com/tei-cpu:2.0.1-tei1.8.2-cpu-py310-ubuntu22.04"


@pytest.mark.slow
def test_tei_embeds_and_says_what_is_wrong(server: Server) -> None:
    """As `HuggingFaceModel(image_uri=get_huggingface_llm_image_uri("huggingface-tei-cpu"))` describes it."""
    sagemaker, store = server.client("sagemaker"), bucket(server, "encoders")
    server.client("s3").put_object(Bucket=store, Key="model.tar.gz", Body=archive(files(encoder())))
    environment = {"HF_MODEL_ID": "/opt/ml/model", "MAX_CLIENT_BATCH_SIZE": "2"}
    container = {"Image": TEI, "ModelDataUrl": f"s3://{store}/model.tar.gz", "Environment": environment}
    sagemaker.create_model(ModelName="tei", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": "tei", "InitialInstanceCount": 1, "InstanceType": "ml.c6i.2xlarge"}
    sagemaker.create_endpoint_config(EndpointConfigName="tei", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="tei", EndpointConfigName="tei")
    described = wait_for_endpoint(sagemaker, "tei")
    assert described["EndpointStatus"] == "InService", described

    def invoke(document: Any) -> Any:
        answer = server.client("sagemaker-runtime").invoke_endpoint(
            EndpointName="tei", ContentType="application/json", Body=json.dumps(document)
        )
        return json.loads(answer["Body"].read())

    (vector,) = invoke({"inputs": "cats sleep all day"})
    assert len(vector) == 16
    assert math.hypot(*vector) == pytest.approx(1.0, abs=1e-5)
    assert invoke({"inputs": ["cats sleep all day", "what is deep learning"]})[0] == pytest.approx(vector, abs=1e-5)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        invoke({"inputs": ["cats"] * 3})
    assert caught.value.response["OriginalStatusCode"] == 413
    assert json.loads(caught.value.response["OriginalMessage"])["error_type"] == "Validation"
