"""SageMaker SDK v3: ModelBuilder packs an InferenceSpec with its schema, builds and deploys to an endpoint of the PyTorch image."""

import io
import os

import joblib
import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.serve.builder.schema_builder import SchemaBuilder
from sagemaker.serve.mode.function_pointers import Mode
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.serve.spec.inference_spec import InferenceSpec
from sagemaker.serve.utils.types import ModelServer
from sklearn.linear_model import LinearRegression

session = Session()
role = get_execution_role(session)
os.makedirs("model", exist_ok=True)
features = np.random.default_rng(0).normal(size=(50, 3))
joblib.dump(LinearRegression().fit(features, features @ [1.0, 2.0, 3.0]), "model/model.joblib")


class Linear(InferenceSpec):
    def load(self, model_dir):
        import joblib  # noqa: PLC0415 - where the class is unpickled, in the container

        return joblib.load(f"{model_dir}/model.joblib")

    def invoke(self, input_object, model):
        return model.predict(input_object)


image = image_uris.retrieve(
    "pytorch", session.boto_region_name, "2.6.0", instance_type="ml.m5.large", image_scope="inference", py_version="py312"
)
builder = ModelBuilder(
    mode=Mode.SAGEMAKER_ENDPOINT,
    model_path="model",
    inference_spec=Linear(),
    schema_builder=SchemaBuilder(sample_input=features[:2], sample_output=np.zeros(2)),
    role_arn=role,
    image_uri=image,
    dependencies={"auto": False},
    model_server=ModelServer.TORCHSERVE,
    instance_type="ml.m5.large",
    sagemaker_session=session,
)
model = builder.build(model_name="sdk3-model-builder")
endpoint = builder.deploy(endpoint_name="sdk3-model-builder", initial_instance_count=1, instance_type="ml.m5.large")
body = io.BytesIO()
np.save(body, features)
answer = endpoint.invoke(body=body.getvalue(), content_type="application/x-npy", accept="application/x-npy")
assert np.allclose(np.load(io.BytesIO(answer.body.read())), features @ [1.0, 2.0, 3.0])
endpoint.delete()
endpoint.wait_for_delete()
model.delete()
print("sdk3 model builder: done")
