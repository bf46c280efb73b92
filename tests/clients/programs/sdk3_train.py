"""SageMaker SDK v3: ModelTrainer in script mode and with the built-in XGBoost; models served through sagemaker.core resources."""

import io
import os

import boto3
import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, TransformJob
from sagemaker.core.shapes import (
    BatchDataCaptureConfig,
    CaptureOption,
    ContainerDefinition,
    DataCaptureConfig,
    OutputDataConfig,
    ProductionVariant,
    TransformDataSource,
    TransformInput,
    TransformOutput,
    TransformResources,
    TransformS3DataSource,
)
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode
from sklearn.datasets import load_breast_cancer

session = Session()
role = get_execution_role(session)
bucket = session.default_bucket()
features, labels = load_breast_cancer(return_X_y=True)
np.savetxt("train.csv", np.column_stack([labels, features])[:400], delimiter=",", fmt="%.8g")
np.savetxt("batch.csv", features[400:], delimiter=",", fmt="%.8g")
data = session.upload_data("train.csv", bucket, "sdk3/train")
batch = session.upload_data("batch.csv", bucket, "sdk3/batch")
compute = Compute(instance_type="ml.m5.large", instance_count=1)

# Script mode: the SDK's own drivers (sm_train.sh) run inside the container.
os.makedirs("source", exist_ok=True)
with open("source/train.py", "w") as file:
    file.write(
        """
import argparse, os
import numpy as np
parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int)
arguments = parser.parse_args()
rows = np.loadtxt(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "train.csv"), delimiter=",")
assert arguments.rounds == 7 and rows.shape == (400, 31)
with open(os.path.join(os.environ["SM_MODEL_DIR"], "mean.txt"), "w") as file:
    file.write(str(rows.mean()))
print("script ran")
"""
    )
scripted = ModelTrainer(
    training_image=image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1", instance_type="ml.m5.large"),
    source_code=SourceCode(source_dir="source", entry_script="train.py"),
    base_job_name="sdk3-script",
    compute=compute,
    role=role,
    sagemaker_session=session,
    hyperparameters={"rounds": 7},
)
scripted.train(input_data_config=[InputData(channel_name="train", data_source=data)], wait=True, logs=True)
assert scripted._latest_training_job.training_job_status == "Completed"

# Built-in algorithm.
image = image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1")
trainer = ModelTrainer(
    training_image=image,
    base_job_name="sdk3-xgboost",
    compute=compute,
    role=role,
    sagemaker_session=session,
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/sdk3/output"),
    hyperparameters={"objective": "binary:logistic", "num_round": 30},
)
trainer.train(
    input_data_config=[InputData(channel_name="train", data_source=data, content_type="text/csv")], wait=True, logs=True
)
job = trainer._latest_training_job
job.refresh()

# Serve it.
container = ContainerDefinition(image=image, model_data_url=job.model_artifacts.s3_model_artifacts)
model = Model.create(model_name="sdk3-model", primary_container=container, execution_role_arn=role)
variant = ProductionVariant(
    variant_name="AllTraffic", model_name="sdk3-model", initial_instance_count=1, instance_type="ml.m5.large"
)
capture = DataCaptureConfig(
    initial_sampling_percentage=100,
    destination_s3_uri=f"s3://{bucket}/sdk3/captured",
    capture_options=[CaptureOption(capture_mode="InputAndOutput")],
    enable_capture=True,
)
config = EndpointConfig.create(endpoint_config_name="sdk3-config", production_variants=[variant], data_capture_config=capture)
endpoint = Endpoint.create(endpoint_name="sdk3-endpoint", endpoint_config_name="sdk3-config")
endpoint.wait_for_status("InService")
endpoint.refresh()
assert endpoint.data_capture_config.capture_status == "Started"
assert endpoint.data_capture_config.current_sampling_percentage == 100
text = io.StringIO()
np.savetxt(text, features[400:], delimiter=",", fmt="%.8g")
answer = endpoint.invoke(body=text.getvalue(), content_type="text/csv")
scores = np.loadtxt(io.StringIO(answer.body.read().decode()))
assert np.mean((scores > 0.5) == labels[400:]) > 0.9

# Batch transform.
transform = TransformJob.create(
    transform_job_name="sdk3-transform",
    model_name="sdk3-model",
    transform_input=TransformInput(
        data_source=TransformDataSource(s3_data_source=TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=batch)),
        content_type="text/csv",
        split_type="Line",
    ),
    transform_output=TransformOutput(s3_output_path=f"s3://{bucket}/sdk3/scored", assemble_with="Line", accept="text/csv"),
    transform_resources=TransformResources(instance_type="ml.m5.large", instance_count=1),
    data_capture_config=BatchDataCaptureConfig(destination_s3_uri=f"s3://{bucket}/sdk3/transformed"),
)
transform.wait()
body = boto3.client("s3").get_object(Bucket=bucket, Key="sdk3/scored/batch.csv.out")["Body"].read()
assert np.allclose(np.loadtxt(io.BytesIO(body)), scores, atol=1e-5)
listed = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix="sdk3/transformed/")["Contents"]
assert [entry["Key"].split("/")[2] for entry in listed] == ["input", "output"], listed

endpoint.delete()
endpoint.wait_for_delete()
config.delete()
model.delete()
print("sdk3: done")
