"""SageMaker SDK v2: an LMI base as an inference component, adapters by Session.create_inference_component; arguments as of sdk3_adapters."""

import json
import sys

import sagemaker
from sagemaker.compute_resource_requirements.resource_requirements import ResourceRequirements
from sagemaker.deserializers import JSONDeserializer
from sagemaker.enums import EndpointType
from sagemaker.huggingface import get_huggingface_llm_image_uri
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer

session = sagemaker.Session()
role = sagemaker.get_execution_role()
prefix, *archives = sys.argv[1:]
model = Model(
    image_uri=get_huggingface_llm_image_uri("lmi", version="0.27.0"),
    model_data={"S3DataSource": {"S3Uri": prefix, "S3DataType": "S3Prefix", "CompressionType": "None"}},
    role=role,
    env={"OPTION_ENABLE_LORA": "true", "OPTION_MAX_LORA_RANK": "16"},
    predictor_cls=Predictor,
    sagemaker_session=session,
)
model.deploy(
    initial_instance_count=1,
    instance_type="ml.g5.2xlarge",
    endpoint_name="sdk2-adapted",
    endpoint_type=EndpointType.INFERENCE_COMPONENT_BASED,
    resources=ResourceRequirements(requests={"num_accelerators": 1, "memory": 1024, "copies": 1}),
    inference_component_name="sdk2-base",
)
names = ["sdk2-base"]
for number, archive in enumerate(archives):
    names.append(f"sdk2-adapter-{number}")
    session.create_inference_component(
        names[-1],
        "sdk2-adapted",
        "AllTraffic",
        specification={"BaseInferenceComponentName": "sdk2-base", "Container": {"ArtifactUrl": archive}},
    )
predictors = [
    Predictor(
        "sdk2-adapted",
        session,
        serializer=JSONSerializer(),
        deserializer=JSONDeserializer(),
        component_name=name,
    )
    for name in names
]
for predictor in predictors:
    answer = predictor.predict({"inputs": "abc", "parameters": {"max_new_tokens": 6, "do_sample": False}})
    print(f"{predictor.component_name}: {answer['generated_text']}")
assert (
    json.dumps(session.describe_inference_component(names[1])["Specification"]["BaseInferenceComponentName"]) == '"sdk2-base"'
)
for name in reversed(names):
    session.delete_inference_component(name, wait=True)
session.delete_endpoint("sdk2-adapted")
print("sdk2 adapters: done")
