"""SageMaker SDK v2 around jobs and endpoints: stop, attach, a new configuration, two variants with weights."""

import time

import numpy as np
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer
from sagemaker.session import production_variant
from sagemaker.sklearn import SKLearn
from sklearn.datasets import load_breast_cancer

session = sagemaker.Session()
role = sagemaker.get_execution_role()
features, labels = load_breast_cancer(return_X_y=True)
np.savetxt("train.csv", np.column_stack([labels, features]), delimiter=",", fmt="%.8g")
data = TrainingInput(session.upload_data("train.csv", key_prefix="sdk2-endpoints"), content_type="csv")

# A job that would run for ever is stopped.
with open("patient.py", "w") as file:
    file.write("import time\nprint('waiting', flush=True)\ntime.sleep(3600)\n")
patient = SKLearn(entry_point="patient.py", role=role, framework_version="1.2-1", instance_count=1, instance_type="ml.m5.large")
patient.fit(wait=False)
name = patient.latest_training_job.name
while session.describe_training_job(name)["SecondaryStatus"] != "Training":
    time.sleep(0.2)
session.stop_training_job(name)
session.wait_for_job(name, poll=1)
assert session.describe_training_job(name)["TrainingJobStatus"] == "Stopped"

# Two models; the second job is attached to from somewhere else.
image = sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1")
shared = {"role": role, "instance_count": 1, "instance_type": "ml.m5.large", "sagemaker_session": session}
good = Estimator(image, hyperparameters={"objective": "binary:logistic", "num_round": 20}, **shared)
good.fit({"train": data}, logs=False)
other = Estimator(image, hyperparameters={"objective": "binary:logistic", "num_round": 1, "eta": 0}, **shared)
other.fit({"train": data}, wait=False)
attached = Estimator.attach(other.latest_training_job.name, session)
assert attached.hyperparameters()["num_round"] == "1"
assert attached.model_data == other.model_data

models = {}
for label, estimator in (("good", good), ("other", attached)):
    model = estimator.create_model()
    model.create(instance_type="ml.m5.large")
    models[label] = model.name

# Both behind one endpoint: three calls of four go to the first.
endpoint = f"two-variants-{int(time.time())}"
session.endpoint_from_production_variants(
    endpoint,
    [
        production_variant(models["good"], "ml.m5.large", variant_name="Good", initial_weight=3),
        production_variant(models["other"], "ml.m5.large", variant_name="Other", initial_weight=1),
    ],
    wait=False,
)
session.wait_for_endpoint(endpoint, poll=1)
predictor = Predictor(endpoint, session, serializer=CSVSerializer(), deserializer=CSVDeserializer())
answers = [float(predictor.predict(features[:1])[0][0]) for _ in range(20)]
constant = float(predictor.predict(features[:1], target_variant="Other")[0][0])
assert abs(constant - 0.5) < 0.2, constant
assert answers.count(constant) == 5, answers

# A new configuration, no interruption.
session.sagemaker_client.update_endpoint_weights_and_capacities(
    EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": "Other", "DesiredWeight": 0}]
)
session.wait_for_endpoint(endpoint, poll=1)
assert constant not in [float(predictor.predict(features[:1])[0][0]) for _ in range(10)]
predictor.update_endpoint(model_name=models["other"], initial_instance_count=1, instance_type="ml.m5.large", wait=False)
while session.sagemaker_client.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "Updating":
    assert predictor.predict(features[:1])
    time.sleep(0.2)
assert float(predictor.predict(features[:1])[0][0]) == constant
predictor.delete_endpoint()
for model in models.values():
    session.delete_model(model)
print("sdk2 endpoints: done")
