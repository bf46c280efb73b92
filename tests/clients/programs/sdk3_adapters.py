"""SageMaker SDK v3: LoRA adapters as inference components over a base of vLLM's image; arguments: the model and two archives in S3."""

import json
import sys

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, InferenceComponent, Model
from sagemaker.core.shapes import (
    ContainerDefinition,
    InferenceComponentComputeResourceRequirements,
    InferenceComponentContainerSpecification,
    InferenceComponentRuntimeConfig,
    InferenceComponentSpecification,
    ModelDataSource,
    ProductionVariant,
    S3ModelDataSource,
)

session = Session()
role = get_execution_role(session)
prefix, *archives = sys.argv[1:]
image = image_uris.retrieve(
    "huggingface-vllm", region=session.boto_region_name, image_scope="inference", instance_type="ml.g6.2xlarge"
)
files = S3ModelDataSource(s3_uri=prefix, s3_data_type="S3Prefix", compression_type="None")
container = ContainerDefinition(
    image=image,
    model_data_source=ModelDataSource(s3_data_source=files),
    environment={
        "SM_VLLM_MODEL": "/opt/ml/model",
        "SM_VLLM_ENABLE_LORA": "true",
        "SM_VLLM_MAX_LORA_RANK": "16",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "true",
    },
)
model = Model.create(model_name="sdk3-adapted", primary_container=container, execution_role_arn=role)
variant = ProductionVariant(variant_name="AllTraffic", instance_type="ml.g6.2xlarge", initial_instance_count=1)
config = EndpointConfig.create(endpoint_config_name="sdk3-adapted", production_variants=[variant], execution_role_arn=role)
endpoint = Endpoint.create(endpoint_name="sdk3-adapted", endpoint_config_name="sdk3-adapted")
endpoint.wait_for_status("InService", poll=1)
base = InferenceComponent.create(
    inference_component_name="sdk3-base",
    endpoint_name="sdk3-adapted",
    variant_name="AllTraffic",
    specification=InferenceComponentSpecification(
        model_name="sdk3-adapted",
        compute_resource_requirements=InferenceComponentComputeResourceRequirements(
            number_of_accelerator_devices_required=1, min_memory_required_in_mb=1024
        ),
    ),
    runtime_config=InferenceComponentRuntimeConfig(copy_count=1),
)
base.wait_for_status("InService", poll=1)
components = [base]
for number, archive in enumerate(archives):
    adapter = InferenceComponent.create(
        inference_component_name=f"sdk3-adapter-{number}",
        endpoint_name="sdk3-adapted",
        specification=InferenceComponentSpecification(
            base_inference_component_name="sdk3-base",
            container=InferenceComponentContainerSpecification(artifact_url=archive),
        ),
    )
    adapter.wait_for_status("InService", poll=1)
    components.append(adapter)
asked = json.dumps({"prompt": "abc", "max_tokens": 6, "temperature": 0}).encode()
for component in components:
    name = component.inference_component_name
    answer = endpoint.invoke(body=asked, content_type="application/json", inference_component_name=name)
    print(f"{name}: {json.loads(answer.body.read())['choices'][0]['text']}")
for component in reversed(components):
    component.delete()
    component.wait_for_delete(poll=1)
endpoint.delete()
config.delete()
model.delete()
print("sdk3 adapters: done")
