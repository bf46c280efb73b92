"""SageMaker SDK v2: ModelBuilder.optimize of a model of the Hugging Face Hub, quantized and in shards; deployed, asked, cleaned up.

The model's configuration calls its heads ``attention_heads``, which this SDK does not look for: where it finds them and the client has no
GPU, it fails by itself (it counts from an instance type's GPUs as a pair).
"""

import json
import sys

import sagemaker
from botocore.exceptions import ClientError
from sagemaker.compute_resource_requirements import ResourceRequirements
from sagemaker.s3 import S3Downloader
from sagemaker.serve import SchemaBuilder
from sagemaker.serve.builder.model_builder import ModelBuilder

INSTANCE = "ml.g5.2xlarge"
ASK = {"inputs": "abc", "parameters": {"max_new_tokens": 3}}
session = sagemaker.Session()
role = sagemaker.get_execution_role()


def builder():
    return ModelBuilder(
        model=sys.argv[1],
        model_path="model",
        schema_builder=SchemaBuilder(sample_input=ASK, sample_output=[{"generated_text": "def"}]),
        role_arn=role,
        sagemaker_session=session,
    )


def place(name):
    return f"s3://{session.default_bucket()}/{name}/"


def optimized(name, **how):
    return builder().optimize(
        instance_type=INSTANCE,
        output_path=place(name),
        job_name=name,
        env_vars={"OPTION_MAX_MODEL_LEN": "64"},
        max_runtime_in_sec=600,
        tags=[{"Key": "made", "Value": "here"}],
        **how,
    )


model = optimized("sdk2-awq", quantization_config={"OverrideEnvironment": {"OPTION_QUANTIZE": "awq"}})
config = json.loads(S3Downloader.read_file(f"{place('sdk2-awq')}config.json", session))
assert config["quantization_config"]["config_groups"]["group_0"]["weights"]["num_bits"] == 4, config
predictor = model.deploy(initial_instance_count=1, instance_type=INSTANCE)
answer = predictor.predict(ASK)
assert answer == {"generated_text": "def"}, answer
described = session.sagemaker_client.describe_model(ModelName=model.name)["PrimaryContainer"]
assert described["ModelDataSource"]["S3DataSource"]["S3Uri"].endswith("/sdk2-awq/"), described
predictor.delete_model()
predictor.delete_endpoint()

refusal = ""
try:
    optimized("sdk2-compiled", compilation_config={"OverrideEnvironment": {"OPTION_TENSOR_PARALLEL_DEGREE": "1"}})
except ClientError as error:
    refusal = str(error)
assert "ValidationException" in refusal, refusal
assert "ModelCompilationConfig" in refusal, refusal

model = optimized("sdk2-shards", sharding_config={"OverrideEnvironment": {"OPTION_TENSOR_PARALLEL_DEGREE": "2"}})
written = S3Downloader.list(place("sdk2-shards"), session)
assert len([name for name in written if name.endswith(".safetensors")]) == 2, written
predictor = model.deploy(
    initial_instance_count=1,
    instance_type=INSTANCE,
    resources=ResourceRequirements(requests={"num_accelerators": 0, "memory": 512, "copies": 1, "num_cpus": 1}),
)
answer = predictor.predict(ASK)
assert answer == {"generated_text": "def"}, answer
predictor.delete_predictor(wait=True)
session.delete_endpoint(predictor.endpoint_name)
session.delete_model(model.name)
for name in ("sdk2-awq", "sdk2-shards"):
    session.sagemaker_client.delete_optimization_job(OptimizationJobName=name)
print("sdk2 optimize: done")
