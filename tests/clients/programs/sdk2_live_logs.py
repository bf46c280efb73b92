"""SageMaker SDK v2: a deployed script's log is shown while the endpoint comes up, and its own code reads from S3 as its role."""

import logging
import sys
import tarfile

import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.s3 import S3Uploader
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearnModel

with open("inference.py", "w") as file:
    file.write(
        """
import json, os
import boto3

def model_fn(model_dir):
    print("the model is being loaded as", boto3.client("sts").get_caller_identity()["Arn"], flush=True)
    return boto3.client("s3")

def input_fn(body, content_type):
    return json.loads(body)

def predict_fn(key, s3):
    return s3.get_object(Bucket=os.environ["BUCKET"], Key=key)["Body"].read().decode()

def output_fn(text, accept):
    return json.dumps(text)
"""
    )
with tarfile.open("model.tar.gz", "w:gz") as tar:
    tar.add("inference.py", "unused.txt")

logging.basicConfig(
    level=logging.INFO, stream=sys.stdout, force=True
)  # the SDK shows the endpoint's log as messages of its own
session = sagemaker.Session()
bucket = session.default_bucket()
S3Uploader.upload_string_as_file_body("found", f"s3://{bucket}/sdk2-live/answer.txt")
model = SKLearnModel(
    model_data=session.upload_data("model.tar.gz", key_prefix="sdk2-live"),
    role=f"arn:aws:iam::{session.account_id()}:role/Server",
    entry_point="inference.py",
    framework_version="1.2-1",
    env={"BUCKET": bucket},
    sagemaker_session=session,
)
predictor = model.deploy(1, "ml.m5.large", serializer=JSONSerializer(), deserializer=JSONDeserializer(), wait=False)
session.wait_for_endpoint(predictor.endpoint_name, live_logging=True)
assert predictor.predict("sdk2-live/answer.txt") == "found"
predictor.delete_model()
predictor.delete_endpoint()
print("sdk2 live logs: done")
