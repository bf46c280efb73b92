"""SageMaker SDK v2: a training script that calls AWS itself, goes on from checkpoints and leaves more than a model behind."""

import io
import os
import tarfile

import boto3
import sagemaker
from sagemaker.analytics import TrainingJobAnalytics
from sagemaker.s3 import S3Downloader, S3Uploader
from sagemaker.sklearn import SKLearn

os.makedirs("source", exist_ok=True)
with open("source/train.py", "w") as file:
    file.write(
        """
import json, os, socket
from urllib.parse import urlsplit
import boto3

# The job is its role, and reaches S3 and the SageMaker API with no more than boto3's defaults.
arn = boto3.client("sts").get_caller_identity()["Arn"]
assert ":assumed-role/Trainer/SageMaker" in arn, arn
s3, bucket = boto3.client("s3"), os.environ["BUCKET"]
seed = int(s3.get_object(Bucket=bucket, Key="sdk2-inside/seed.txt")["Body"].read())
s3.put_object(Bucket=bucket, Key="sdk2-inside/from-the-job.txt", Body=arn)
name = os.environ["TRAINING_JOB_NAME"]
assert boto3.client("sagemaker").describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "InProgress"

# Of the server it sees the one public port.
listening = {line.split()[1].rpartition(":")[2] for line in open("/proc/net/tcp") if line.split()[3] == "0A"}
print("ports listening here: %d" % len(listening), "front:", "%04X" % urlsplit(os.environ["AWS_ENDPOINT_URL"]).port in listening)
assert not os.path.exists(os.environ["DATA_FOLDER"]) or not os.listdir(os.environ["DATA_FOLDER"])

# A checkpoint of an earlier job is there, a new one goes to S3.
folder = "/opt/ml/checkpoints"
reached = int(open(f"{folder}/epoch.txt").read()) if os.path.exists(f"{folder}/epoch.txt") else seed
for epoch in range(reached + 1, reached + 4):
    print(f"epoch={epoch}; score={1 - 1 / (epoch + 1):.4f};", flush=True)
open(f"{folder}/epoch.txt", "w").write(str(epoch))
json.dump({"epoch": epoch}, open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "report.json"), "w"))
open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w").write(str(epoch))
"""
    )

session = sagemaker.Session()
bucket = session.default_bucket()
assert sagemaker.get_execution_role().endswith(":role/SagewrightUser")
S3Uploader.upload_string_as_file_body("10", f"s3://{bucket}/sdk2-inside/seed.txt")
estimator = SKLearn(
    entry_point="train.py",
    source_dir="source",
    role=f"arn:aws:iam::{session.account_id()}:role/Trainer",
    framework_version="1.2-1",
    instance_count=1,
    instance_type="ml.m5.large",
    environment={
        "BUCKET": bucket,
        "DATA_FOLDER": os.path.dirname(os.path.dirname(os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"])),
    },
    checkpoint_s3_uri=f"s3://{bucket}/sdk2-inside/checkpoints",
    metric_definitions=[{"Name": name, "Regex": f"{name}=([0-9.]+);"} for name in ("epoch", "score")],
)
for last in ("13", "16"):
    estimator.fit()
    assert S3Downloader.read_file(f"s3://{bucket}/sdk2-inside/checkpoints/epoch.txt") == last

assert S3Downloader.read_file(f"s3://{bucket}/sdk2-inside/from-the-job.txt").endswith(":assumed-role/Trainer/SageMaker")
job = estimator.latest_training_job.name
prefix = (
    f"{estimator.output_path}{job}/output" if estimator.output_path.endswith("/") else f"{estimator.output_path}/{job}/output"
)
for archive, member in (("model.tar.gz", "model.txt"), ("output.tar.gz", "report.json")):
    with tarfile.open(fileobj=io.BytesIO(S3Downloader.read_bytes(f"{prefix}/{archive}"))) as tar:
        assert "16" in tar.extractfile(member).read().decode(), archive
frame = TrainingJobAnalytics(
    job, ["epoch", "score"], start_time=boto3.client("sagemaker").describe_training_job(TrainingJobName=job)["CreationTime"]
).dataframe()
assert set(frame["metric_name"]) == {"epoch", "score"}, frame
assert 14 <= frame[frame["metric_name"] == "epoch"]["value"].mean() <= 16, frame
print("sdk2 inside: done")
