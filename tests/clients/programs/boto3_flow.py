"""boto3 alone, as a role: presigned URLs, job and endpoint by API calls, waiters, paginators."""

import json
import time

import boto3
import numpy as np
import urllib3
from sklearn.datasets import load_breast_cancer

ROLE = "arn:aws:iam::123456789012:role/BotoRole"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
INSTANCE = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
QUICK = {"Delay": 1, "MaxAttempts": 60}

# Everything below is done with the temporary credentials of a role.
iam = boto3.client("iam")
trust = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
iam.create_role(RoleName="BotoRole", AssumeRolePolicyDocument=json.dumps(trust))
keys = boto3.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="flow")["Credentials"]
session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
assert session.client("sts").get_caller_identity()["Arn"] == "arn:aws:sts::123456789012:assumed-role/BotoRole/flow"
s3, sagemaker, runtime = (session.client(name) for name in ("s3", "sagemaker", "sagemaker-runtime"))

# Presigned URLs: anyone who has one may PUT or GET, and nothing else.
features, labels = load_breast_cancer(return_X_y=True)
rows = "\n".join(",".join(f"{value:.8g}" for value in row) for row in np.column_stack([labels, features])).encode()
batch = "\n".join(",".join(f"{value:.8g}" for value in row) for row in features).encode()
s3.create_bucket(Bucket="boto3-flow")
upload = s3.generate_presigned_url("put_object", {"Bucket": "boto3-flow", "Key": "train/train.csv"})
assert urllib3.request("PUT", upload, body=rows).status == 200
s3.put_object(Bucket="boto3-flow", Key="batch/batch.csv", Body=batch)
s3.get_waiter("object_exists").wait(Bucket="boto3-flow", Key="train/train.csv")
download = s3.generate_presigned_url("get_object", {"Bucket": "boto3-flow", "Key": "train/train.csv"})
assert urllib3.request("GET", download).data == rows
assert urllib3.request("PUT", download, body=b"other").status == 403

# Train.
sagemaker.create_training_job(
    TrainingJobName="boto3-job",
    AlgorithmSpecification={"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
    RoleArn=ROLE,
    HyperParameters={"objective": "binary:logistic", "num_round": "20"},
    InputDataConfig=[
        {
            "ChannelName": "train",
            "ContentType": "text/csv",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://boto3-flow/train/"}},
        }
    ],
    OutputDataConfig={"S3OutputPath": "s3://boto3-flow/output"},
    ResourceConfig={**INSTANCE, "VolumeSizeInGB": 1},
    StoppingCondition={"MaxRuntimeInSeconds": 600},
)
sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="boto3-job", WaiterConfig=QUICK)
artifact = sagemaker.describe_training_job(TrainingJobName="boto3-job")["ModelArtifacts"]["S3ModelArtifacts"]

# Deploy and invoke.
sagemaker.create_model(
    ModelName="boto3-model", PrimaryContainer={"Image": XGBOOST, "ModelDataUrl": artifact}, ExecutionRoleArn=ROLE
)
variant = {"VariantName": "AllTraffic", "ModelName": "boto3-model", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
sagemaker.create_endpoint_config(EndpointConfigName="boto3-config", ProductionVariants=[variant])
sagemaker.create_endpoint(EndpointName="boto3-endpoint", EndpointConfigName="boto3-config")
sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="boto3-endpoint", WaiterConfig=QUICK)
answer = runtime.invoke_endpoint(EndpointName="boto3-endpoint", ContentType="text/csv", Body=batch)
scores = answer["Body"].read()
sagemaker.delete_endpoint(EndpointName="boto3-endpoint")
sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="boto3-endpoint", WaiterConfig=QUICK)

# Batch transform gives the same.
sagemaker.create_transform_job(
    TransformJobName="boto3-transform",
    ModelName="boto3-model",
    TransformInput={
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://boto3-flow/batch/"}},
        "ContentType": "text/csv",
        "SplitType": "Line",
    },
    TransformOutput={"S3OutputPath": "s3://boto3-flow/scored", "AssembleWith": "Line"},
    TransformResources=INSTANCE,
)
sagemaker.get_waiter("transform_job_completed_or_stopped").wait(TransformJobName="boto3-transform", WaiterConfig=QUICK)
scored = s3.get_object(Bucket="boto3-flow", Key="scored/batch.csv.out")["Body"].read()
assert [float(text) for text in scored.split()] == [float(text) for text in scores.replace(b",", b"\n").split()]

# Pages of two, in order, each once.
for number in range(5):
    sagemaker.create_model(ModelName=f"paged-{number}", PrimaryContainer={"Image": XGBOOST}, ExecutionRoleArn=ROLE)
pages = sagemaker.get_paginator("list_models").paginate(
    NameContains="paged", SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
)
found = [[model["ModelName"] for model in page["Models"]] for page in pages]
assert found == [["paged-0", "paged-1"], ["paged-2", "paged-3"], ["paged-4"]], found
for name, member in (("list_training_jobs", "TrainingJobSummaries"), ("list_transform_jobs", "TransformJobSummaries")):
    names = [job for page in sagemaker.get_paginator(name).paginate() for job in page[member]]
    assert [job for job in names if job["CreationTime"].timestamp() > time.time() - 600], names

# A stopped job ends the same waiter.
sagemaker.create_training_job(
    TrainingJobName="boto3-stopped",
    AlgorithmSpecification={
        "TrainingImage": XGBOOST,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/sh", "-c", "sleep 3600"],
    },
    RoleArn=ROLE,
    OutputDataConfig={"S3OutputPath": "s3://boto3-flow/output"},
    ResourceConfig={**INSTANCE, "VolumeSizeInGB": 1},
    StoppingCondition={"MaxRuntimeInSeconds": 600},
)
sagemaker.stop_training_job(TrainingJobName="boto3-stopped")
sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="boto3-stopped", WaiterConfig=QUICK)
assert sagemaker.describe_training_job(TrainingJobName="boto3-stopped")["TrainingJobStatus"] == "Stopped"
print("boto3: done")
