"""SageMaker SDK v3: ModelBuilder with TGI's image on a model in S3, JSON and streamed; OptimizationJob, then LMI's image on its result."""

import json
import sys

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import OptimizationJob
from sagemaker.core.shapes import (
    ModelQuantizationConfig,
    OptimizationConfig,
    OptimizationJobModelSource,
    OptimizationJobModelSourceS3,
    OptimizationJobOutputConfig,
    StoppingCondition,
)
from sagemaker.serve.model_builder import ModelBuilder

session = Session()
role = get_execution_role(session)
ASK = json.dumps({"inputs": "abc", "parameters": {"max_new_tokens": 3, "return_full_text": False}})


def deployed(name, image, uri, environment):
    source = {"S3DataSource": {"S3Uri": uri, "S3DataType": "S3Prefix", "CompressionType": "None"}}
    builder = ModelBuilder(
        image_uri=image,
        s3_model_data_url=source,
        env_vars=environment,
        role_arn=role,
        instance_type="ml.g5.2xlarge",
        sagemaker_session=session,
    )
    model = builder.build(model_name=name)
    return model, builder.deploy(endpoint_name=name, initial_instance_count=1, instance_type="ml.g5.2xlarge")


def said(endpoint):
    return json.loads(endpoint.invoke(body=ASK, content_type="application/json").body.read())


tgi = image_uris.retrieve("huggingface-llm", session.boto_region_name, version="3.3.6", instance_type="ml.g5.2xlarge")
model, endpoint = deployed("sdk3-tgi", tgi, sys.argv[1], {"HF_MODEL_ID": "/opt/ml/model", "SM_NUM_GPUS": "1"})
assert said(endpoint) == [{"generated_text": "def"}]
asked = json.dumps({**json.loads(ASK), "stream": True})
streamed = session.sagemaker_runtime_client.invoke_endpoint_with_response_stream(
    EndpointName="sdk3-tgi", Body=asked, ContentType="application/json"
)  # Endpoint.invoke_with_response_stream of this version cannot read any stream
lines = b"".join(event["PayloadPart"]["Bytes"] for event in streamed["Body"]).splitlines()
events = [json.loads(line[5:]) for line in lines if line.startswith(b"data:")]
assert [event["token"]["text"] for event in events] == ["d", "e", "f"], events
endpoint.delete()
endpoint.wait_for_delete()
model.delete()

goal = f"s3://{session.default_bucket()}/sdk3-optimized/"
job = OptimizationJob.create(
    optimization_job_name="sdk3-optimized",
    role_arn=role,
    model_source=OptimizationJobModelSource(s3=OptimizationJobModelSourceS3(s3_uri=sys.argv[1])),
    deployment_instance_type="ml.g5.2xlarge",
    optimization_configs=[
        OptimizationConfig(model_quantization_config=ModelQuantizationConfig(override_environment={"OPTION_QUANTIZE": "int8"}))
    ],
    output_config=OptimizationJobOutputConfig(s3_output_location=goal),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=3600),
    session=session.boto_session,
)
job.wait(poll=1)
assert job.optimization_job_status == "COMPLETED"
assert "sdk3-optimized" in [found.optimization_job_name for found in OptimizationJob.get_all()]
image = job.optimization_output.recommended_inference_image
model, endpoint = deployed("sdk3-lmi", image, goal, {"OPTION_QUANTIZE": "int8"})
assert said(endpoint) == {"generated_text": "def"}
endpoint.delete()
endpoint.wait_for_delete()
model.delete()
job.delete()
print("sdk3 text generation: done")
