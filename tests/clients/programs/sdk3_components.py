"""SageMaker SDK v3: an inference component by the resources of sagemaker.core: created, asked, resized from its cache and deleted."""

import io
import json
import tarfile

import joblib
import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, InferenceComponent, Model
from sagemaker.core.shapes import (
    ContainerDefinition,
    InferenceComponentComputeResourceRequirements,
    InferenceComponentDataCacheConfig,
    InferenceComponentRuntimeConfig,
    InferenceComponentSpecification,
    ProductionVariant,
)
from sklearn.linear_model import LinearRegression

session = Session()
role = get_execution_role(session)
bucket = session.default_bucket()
features = np.random.default_rng(0).uniform(0, 10, (200, 2))
joblib.dump(LinearRegression().fit(features, features[:, 0]), "model.joblib")
with open("inference.py", "w") as file:
    file.write("import joblib\ndef model_fn(folder): return joblib.load(folder + '/model.joblib')\n")
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w:gz") as tar:
    tar.add("model.joblib")
    tar.add("inference.py", "code/inference.py")
session.boto_session.client("s3").put_object(Bucket=bucket, Key="sdk3-components/model.tar.gz", Body=packed.getvalue())

image = image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1", instance_type="ml.m5.large", py_version="py3")
container = ContainerDefinition(image=image, model_data_url=f"s3://{bucket}/sdk3-components/model.tar.gz")
model = Model.create(model_name="sdk3-component", primary_container=container, execution_role_arn=role)
variant = ProductionVariant(variant_name="AllTraffic", instance_type="ml.m5.large", initial_instance_count=1)
config = EndpointConfig.create(endpoint_config_name="sdk3-components", production_variants=[variant], execution_role_arn=role)
endpoint = Endpoint.create(endpoint_name="sdk3-components", endpoint_config_name="sdk3-components")
endpoint.wait_for_status("InService", poll=1)
component = InferenceComponent.create(
    inference_component_name="sdk3-component",
    endpoint_name="sdk3-components",
    variant_name="AllTraffic",
    specification=InferenceComponentSpecification(
        model_name="sdk3-component",
        compute_resource_requirements=InferenceComponentComputeResourceRequirements(
            number_of_cpu_cores_required=1, min_memory_required_in_mb=1024
        ),
        data_cache_config=InferenceComponentDataCacheConfig(enable_caching=True),
    ),
    runtime_config=InferenceComponentRuntimeConfig(copy_count=1),
)
component.wait_for_status("InService", poll=1)
answer = endpoint.invoke(body=b"3,1", content_type="text/csv", inference_component_name="sdk3-component")
assert np.allclose(json.loads(answer.body.read()), [3.0])
session.boto_session.client("s3").delete_object(Bucket=bucket, Key="sdk3-components/model.tar.gz")
component.update_runtime_configs(desired_runtime_config=InferenceComponentRuntimeConfig(copy_count=2))
component.wait_for_status("InService", poll=1)
component.refresh()
assert component.runtime_config.current_copy_count == 2
assert component.specification.data_cache_config.enable_caching
assert [found.inference_component_name for found in InferenceComponent.get_all(endpoint_name_equals="sdk3-components")] == [
    "sdk3-component"
]
component.delete()
component.wait_for_delete(poll=1)
endpoint.delete()
config.delete()
model.delete()
print("sdk3 components: done")
