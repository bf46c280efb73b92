"""SageMaker SDK v3: ModelTrainer with requirements, a script that fails, a job that is stopped; ModelBuilder builds and deploys."""

import io
import logging
import os
import sys
import time

import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import TrainingJob
from sagemaker.core.utils.exceptions import FailedStatusError
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode
from sklearn.datasets import load_breast_cancer

logging.basicConfig(level=logging.INFO, stream=sys.stdout, force=True)  # the SDK shows a job's log as messages of its own
session = Session()
role = get_execution_role(session)
bucket = session.default_bucket()
shared = {"compute": Compute(instance_type="ml.m5.large", instance_count=1), "role": role, "sagemaker_session": session}
sklearn = image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1", instance_type="ml.m5.large")

os.makedirs("source", exist_ok=True)
with open("source/requirements.txt", "w") as file:
    file.write("numpy\nscikit-learn\n")
with open("source/train.py", "w") as file:
    file.write(
        """
import argparse, json, os, sys, time
import sklearn
parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int)
parser.add_argument("--rate", type=float)
parser.add_argument("--flag")
parser.add_argument("--name")
parser.add_argument("--layers", type=json.loads)
parser.add_argument("--do")
arguments = parser.parse_args()
assert (arguments.rounds, arguments.rate, arguments.name, arguments.layers) == (7, 0.5, "two words", [8, 4]), arguments
assert arguments.flag.lower() == "true", arguments
assert json.loads(os.environ["SM_HPS"])["layers"] == [8, 4], os.environ["SM_HPS"]
print("hyperparameters are right", flush=True)
if arguments.do == "fail":
    raise ValueError("the data are of the wrong colour")
if arguments.do == "wait":
    time.sleep(3600)
"""
    )


def trainer(do):
    return ModelTrainer(
        training_image=sklearn,
        source_code=SourceCode(source_dir="source", entry_script="train.py", requirements="requirements.txt"),
        hyperparameters={"rounds": 7, "rate": 0.5, "flag": True, "name": "two words", "layers": [8, 4], "do": do},
        base_job_name=f"sdk3-{do}",
        **shared,
    )


trainer("train").train(logs=False)

# A failure reaches the user: what the SDK's driver wrote down is in the exception, the script's own words are in the log.
failing = trainer("fail")
try:
    failing.train(logs=True)
except FailedStatusError as error:
    reason = str(error)
else:
    raise AssertionError("the job did not fail")
assert "AlgorithmError" in reason, reason
assert "'train.py'" in reason, reason
assert "exit code: 1" in reason, reason

# Stop.
waiting = trainer("wait")
waiting.train(wait=False)
job = TrainingJob.get(waiting._latest_training_job.training_job_name)
while job.refresh().secondary_status != "Training":
    time.sleep(0.2)
job.stop()
while job.refresh().training_job_status in ("InProgress", "Stopping"):
    time.sleep(0.2)
assert job.training_job_status == "Stopped", job.training_job_status

# A trained model, served by ModelBuilder.
features, labels = load_breast_cancer(return_X_y=True)
np.savetxt("train.csv", np.column_stack([labels, features])[:400], delimiter=",", fmt="%.8g")
data = session.upload_data("train.csv", bucket, "sdk3-serve")
xgboost = image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1")
built_in = ModelTrainer(
    training_image=xgboost,
    hyperparameters={"objective": "binary:logistic", "num_round": 20},
    base_job_name="sdk3-built-in",
    **shared,
)
built_in.train(
    input_data_config=[InputData(channel_name="train", data_source=data, content_type="text/csv")], wait=True, logs=False
)
artifact = built_in._latest_training_job.refresh().model_artifacts.s3_model_artifacts
builder = ModelBuilder(
    image_uri=xgboost, s3_model_data_url=artifact, role_arn=role, sagemaker_session=session, instance_type="ml.m5.large"
)
model = builder.build(model_name="sdk3-built")
endpoint = builder.deploy(endpoint_name="sdk3-deployed", initial_instance_count=1, instance_type="ml.m5.large")
text = io.StringIO()
np.savetxt(text, features[400:], delimiter=",", fmt="%.8g")
answer = endpoint.invoke(body=text.getvalue(), content_type="text/csv", accept="text/csv")
scores = np.loadtxt(io.StringIO(answer.body.read().decode()))
assert np.mean((scores > 0.5) == labels[400:]) > 0.9
endpoint.delete()
endpoint.wait_for_delete()
model.delete()
print("sdk3 serve: done")
