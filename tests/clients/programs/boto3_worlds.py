"""Against `sagewright up --auth open`: a key of twelve digits is an account, and accounts and regions are separate worlds."""

import boto3

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


def client(service, account, region):
    return boto3.Session(account, "anything", region_name=region).client(service)


worlds = [("111111111111", "us-east-1"), ("111111111111", "eu-west-1"), ("222222222222", "us-east-1")]
for account, region in worlds:
    assert client("sts", account, region).get_caller_identity()["Account"] == account
    sagemaker = client("sagemaker", account, region)
    assert sagemaker.list_models()["Models"] == []
    role = f"arn:aws:iam::{account}:role/Anyone"
    arn = sagemaker.create_model(ModelName="same-name", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=role)["ModelArn"]
    assert arn == f"arn:aws:sagemaker:{region}:{account}:model/same-name"
for account, region in worlds:
    sagemaker = client("sagemaker", account, region)
    assert [model["ModelArn"].split(":")[3:5] for model in sagemaker.list_models()["Models"]] == [[region, account]]
first, *others = worlds
client("sagemaker", *first).delete_model(ModelName="same-name")
for account, region in others:
    assert len(client("sagemaker", account, region).list_models()["Models"]) == 1
print("worlds: done")
