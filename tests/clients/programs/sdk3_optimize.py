"""SageMaker SDK v3: ModelBuilder.optimize of a model of the Hugging Face Hub, quantized and in shards; deployed, asked, cleaned up.

The model's configuration calls its heads ``attention_heads``, which this SDK does not look for: where it finds them and the client has no
GPU, it fails by itself (it counts from an instance type's GPUs as a pair).
"""

import json
import sys

from botocore.exceptions import ClientError
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.inference_config import ResourceRequirements
from sagemaker.core.resources import InferenceComponent, OptimizationJob
from sagemaker.core.s3 import S3Downloader
from sagemaker.serve.builder.schema_builder import SchemaBuilder
from sagemaker.serve.model_builder import ModelBuilder

INSTANCE = "ml.g5.2xlarge"
ASK = {"inputs": "abc", "parameters": {"max_new_tokens": 3}}
session = Session()
role = get_execution_role(session)


def builder():
    return ModelBuilder(
        model=sys.argv[1],
        model_path="model",
        schema_builder=SchemaBuilder(sample_input=dict(ASK), sample_output=[{"generated_text": "def"}]),
        role_arn=role,
        instance_type=INSTANCE,
        sagemaker_session=session,
    )


def place(name):
    return f"s3://{session.default_bucket()}/{name}/"


def optimized(name, made, **how):
    return made.optimize(
        model_name=name,
        instance_type=INSTANCE,
        output_path=place(name),
        job_name=name,
        env_vars={"OPTION_MAX_MODEL_LEN": "64"},
        max_runtime_in_sec=600,
        tags=[{"Key": "made", "Value": "here"}],
        **how,
    )


made = builder()
model = optimized("sdk3-awq", made, quantization_config={"OverrideEnvironment": {"OPTION_QUANTIZE": "awq"}})
assert model.primary_container.model_data_source.s3_data_source.s3_uri.endswith("/sdk3-awq/"), model
config = json.loads(S3Downloader.read_file(f"{place('sdk3-awq')}config.json", session))
assert config["quantization_config"]["config_groups"]["group_0"]["weights"]["num_bits"] == 4, config
endpoint = made.deploy(endpoint_name="sdk3-awq", initial_instance_count=1, instance_type=INSTANCE)
answer = json.loads(endpoint.invoke(body=json.dumps(ASK), content_type="application/json").body.read())
assert answer == {"generated_text": "def"}, answer
endpoint.delete()
endpoint.wait_for_delete()
model.delete()

refusal = ""
try:
    optimized("sdk3-compiled", builder(), compilation_config={"OverrideEnvironment": {"OPTION_TENSOR_PARALLEL_DEGREE": "1"}})
except ClientError as error:
    refusal = str(error)
assert "ValidationException" in refusal, refusal
assert "ModelCompilationConfig" in refusal, refusal

made = builder()
model = optimized("sdk3-shards", made, sharding_config={"OverrideEnvironment": {"OPTION_TENSOR_PARALLEL_DEGREE": "2"}})
written = S3Downloader.list(place("sdk3-shards"), session)
assert len([name for name in written if name.endswith(".safetensors")]) == 2, written
endpoint = made.deploy(
    endpoint_name="sdk3-shards",
    inference_component_name="sdk3-shards",  # without one this version does not find a name to make
    instance_type=INSTANCE,
    inference_config=ResourceRequirements(requests={"num_accelerators": 0, "memory": 512, "copies": 1, "num_cpus": 1}),
)
component = InferenceComponent.get(inference_component_name="sdk3-shards")
component.wait_for_status("InService", poll=1)
answer = endpoint.invoke(body=json.dumps(ASK), content_type="application/json", inference_component_name="sdk3-shards")
assert json.loads(answer.body.read()) == {"generated_text": "def"}
component.delete()
component.wait_for_delete(poll=1)
endpoint.delete()
endpoint.wait_for_delete()
model.delete()
for name in ("sdk3-awq", "sdk3-shards"):
    OptimizationJob.get(optimization_job_name=name).delete()
print("sdk3 optimize: done")
