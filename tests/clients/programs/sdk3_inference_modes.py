"""SageMaker SDK v3: ModelBuilder deploys a trained model to an asynchronous and to a serverless endpoint."""

import boto3
import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.inference_config import AsyncInferenceConfig, ServerlessInferenceConfig
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData
from sklearn.datasets import load_breast_cancer

session = Session()
role, bucket = get_execution_role(session), session.default_bucket()
s3 = boto3.client("s3")
features, labels = load_breast_cancer(return_X_y=True)
np.savetxt("train.csv", np.column_stack([labels, features])[:400], delimiter=",", fmt="%.8g")
np.savetxt("test.csv", features[400:], delimiter=",", fmt="%.8g")
xgboost = image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1")
trainer = ModelTrainer(
    training_image=xgboost,
    hyperparameters={"objective": "binary:logistic", "num_round": 20},
    base_job_name="sdk3-modes",
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    role=role,
    sagemaker_session=session,
)
data = session.upload_data("train.csv", bucket, "sdk3-modes")
trainer.train([InputData(channel_name="train", data_source=data, content_type="text/csv")], wait=True, logs=False)
artifact = trainer._latest_training_job.refresh().model_artifacts.s3_model_artifacts


def deploy(name, config):
    builder = ModelBuilder(
        image_uri=xgboost, s3_model_data_url=artifact, role_arn=role, sagemaker_session=session, instance_type="ml.m5.large"
    )
    builder.build(model_name=name)
    return builder.deploy(endpoint_name=name, instance_type="ml.m5.large", inference_config=config)


def right(text):
    scores = np.array(text.replace(",", "\n").split(), dtype=float)
    return np.mean((scores > 0.5) == labels[400:]) > 0.9


endpoint = deploy("sdk3-async", AsyncInferenceConfig(output_path=f"s3://{bucket}/sdk3-async"))
place = session.upload_data("test.csv", bucket, "sdk3-modes")
answer = endpoint.invoke_async(input_location=place, content_type="text/csv")
key = answer.output_location.removeprefix(f"s3://{bucket}/")
s3.get_waiter("object_exists").wait(Bucket=bucket, Key=key, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
assert right(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())
endpoint.delete()

endpoint = deploy("sdk3-serverless", ServerlessInferenceConfig(memory_size_in_mb=2048, max_concurrency=3))
with open("test.csv") as file:
    answer = endpoint.invoke(body=file.read(), content_type="text/csv", accept="text/csv")
assert right(answer.body.read().decode())
assert endpoint.refresh().production_variants[0].current_serverless_config.max_concurrency == 3
endpoint.delete()
print("sdk3 inference modes: done")
