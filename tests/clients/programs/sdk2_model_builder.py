"""SageMaker SDK v2: ModelBuilder packs an InferenceSpec with its schema, builds and deploys to an endpoint of the PyTorch image."""

import os

import joblib
import numpy as np
import sagemaker
from sagemaker.serve import InferenceSpec, ModelServer, SchemaBuilder
from sagemaker.serve.builder.model_builder import ModelBuilder
from sagemaker.serve.mode.function_pointers import Mode
from sklearn.linear_model import LinearRegression

session = sagemaker.Session()
role = sagemaker.get_execution_role()
os.makedirs("model", exist_ok=True)
features = np.random.default_rng(0).normal(size=(50, 3))
joblib.dump(LinearRegression().fit(features, features @ [1.0, 2.0, 3.0]), "model/model.joblib")


class Linear(InferenceSpec):
    def load(self, model_dir):
        import joblib  # noqa: PLC0415 - where the class is unpickled, in the container

        return joblib.load(f"{model_dir}/model.joblib")

    def invoke(self, input_object, model):
        return model.predict(input_object)


image = sagemaker.image_uris.retrieve(
    "pytorch", session.boto_region_name, "2.6.0", instance_type="ml.m5.large", image_scope="inference", py_version="py312"
)
builder = ModelBuilder(
    mode=Mode.SAGEMAKER_ENDPOINT,
    model_path="model",
    inference_spec=Linear(),
    schema_builder=SchemaBuilder(sample_input=features[:2], sample_output=np.zeros(2)),
    role_arn=role,
    image_uri=image,
    model_server=ModelServer.TORCHSERVE,
    instance_type="ml.m5.large",
    sagemaker_session=session,
)
model = builder.build(sagemaker_session=session)
predictor = model.deploy(initial_instance_count=1, instance_type="ml.m5.large")
answer = predictor.predict(features)
assert np.allclose(answer, features @ [1.0, 2.0, 3.0]), answer
predictor.delete_model()
predictor.delete_endpoint()
print("sdk2 model builder: done")
