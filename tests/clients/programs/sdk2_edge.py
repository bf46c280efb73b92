"""SageMaker SDK v2: a built-in model compiled for a device by Estimator.compile_model and packaged by Model.package_for_edge."""

import io
import tarfile
import time

import boto3
import numpy as np
import sagemaker
from sagemaker import image_uris
from sagemaker.inputs import TrainingInput

session = sagemaker.Session()
bucket = session.default_bucket()
rows = np.random.default_rng(0).normal(size=(200, 5))
text = io.StringIO()
np.savetxt(text, np.column_stack([rows.sum(1) > 0, rows]), delimiter=",", fmt="%.6g")
boto3.client("s3").put_object(Bucket=bucket, Key="sdk2-edge/train/rows.csv", Body=text.getvalue().encode())

estimator = sagemaker.estimator.Estimator(
    image_uri=image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1"),
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.large",
    output_path=f"s3://{bucket}/sdk2-edge/output",
    hyperparameters={"objective": "binary:logistic", "num_round": "5"},
    sagemaker_session=session,
)
estimator.fit({"train": TrainingInput(f"s3://{bucket}/sdk2-edge/train", content_type="text/csv")})
model = estimator.compile_model(
    target_instance_family="rasp4b",
    input_shape={"data": [1, 5]},
    output_path=f"s3://{bucket}/sdk2-edge/compiled",
    framework="xgboost",
    framework_version="1.7",
)
name = f"sdk2-edge-{int(time.time())}"
model.package_for_edge(
    f"s3://{bucket}/sdk2-edge/packages", "classifier", "1.0", job_name=name, role=sagemaker.get_execution_role()
)
assert model.model_data == f"s3://{bucket}/sdk2-edge/packages/classifier-1.0.tar.gz", model.model_data
body = boto3.client("s3").get_object(Bucket=bucket, Key="sdk2-edge/packages/classifier-1.0.tar.gz")["Body"].read()
with tarfile.open(fileobj=io.BytesIO(body)) as tar:
    assert {"model.onnx", "manifest.json", "manifest.sig"} <= set(tar.getnames())

print("sdk2 edge: done")
