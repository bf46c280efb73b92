"""SageMaker SDK v2: models as inference components of one endpoint (ResourceRequirements), their copies, and their end."""

import numpy as np
import sagemaker
from sagemaker.compute_resource_requirements.resource_requirements import ResourceRequirements
from sagemaker.deserializers import CSVDeserializer
from sagemaker.enums import EndpointType
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer
from sklearn.datasets import load_breast_cancer

session = sagemaker.Session()
role = sagemaker.get_execution_role()
features, labels = load_breast_cancer(return_X_y=True)
np.savetxt("train.csv", np.column_stack([labels, features]), delimiter=",", fmt="%.8g")
data = TrainingInput(session.upload_data("train.csv", key_prefix="sdk2-components"), content_type="csv")
image = sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1")
estimator = Estimator(
    image, role, 1, "ml.m5.large", hyperparameters={"objective": "binary:logistic", "num_round": 20}, sagemaker_session=session
)
estimator.fit({"train": data}, logs=False)

predictors = []
for name in ("first", "second"):
    model = Model(image, estimator.model_data, role, predictor_cls=Predictor, sagemaker_session=session)
    predictors.append(
        model.deploy(
            initial_instance_count=1,
            instance_type="ml.m5.2xlarge",
            endpoint_name="sdk2-components",
            endpoint_type=EndpointType.INFERENCE_COMPONENT_BASED,
            resources=ResourceRequirements(requests={"num_cpus": 1, "memory": 1024, "copies": 1}),
            inference_component_name=f"sdk2-{name}",
            serializer=CSVSerializer(),
            deserializer=CSVDeserializer(),
        )
    )
for predictor in predictors:
    scores = np.array(predictor.predict(features[:20]), dtype=float).ravel()
    assert np.mean((scores > 0.5) == labels[:20]) > 0.9
first, second = predictors
resources = {
    "ModelName": model.name,
    "ComputeResourceRequirements": {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 512},
}
session.update_inference_component("sdk2-second", specification=resources, runtime_config={"CopyCount": 2}, wait=True)
assert session.describe_inference_component("sdk2-second")["RuntimeConfig"]["CurrentCopyCount"] == 2
first.delete_predictor(wait=True)
second.delete_predictor(wait=True)
session.delete_endpoint("sdk2-components")
print("sdk2 components: done")
