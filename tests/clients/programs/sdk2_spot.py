"""SageMaker SDK v2: managed spot training that goes on from its checkpoints, then a warm pool that the next job reuses."""

import os

import boto3
import sagemaker
from sagemaker.s3 import S3Downloader
from sagemaker.sklearn import SKLearn

os.makedirs("source", exist_ok=True)
with open("source/train.py", "w") as file:
    file.write(
        """
import os, time
folder = "/opt/ml/checkpoints"
reached = int(open(f"{folder}/epoch.txt").read()) if os.path.exists(f"{folder}/epoch.txt") else 0
print("begins at epoch", reached, flush=True)
if reached == 0:
    open(f"{folder}/epoch.txt", "w").write("3")
    time.sleep(300)  # until the instance is taken away
open(os.path.join(os.environ["SM_MODEL_DIR"], "epoch.txt"), "w").write(str(reached + 1))
"""
    )
with open("source/cached.py", "w") as file:
    file.write(
        """
import os
cache = "/opt/ml/sagemaker/warmpoolcache/words.txt"
print("cached:", open(cache).read() if os.path.exists(cache) else "nothing")
open(cache, "w").write("what took long to fetch")
"""
    )

session = sagemaker.Session()
bucket = session.default_bucket()
common = {
    "source_dir": "source",
    "role": sagemaker.get_execution_role(),
    "framework_version": "1.2-1",
    "instance_count": 1,
    "instance_type": "ml.m5.large",
}
spot = SKLearn(
    entry_point="train.py",
    use_spot_instances=True,
    max_run=600,
    max_wait=1200,
    checkpoint_s3_uri=f"s3://{bucket}/sdk2-spot/checkpoints",
    **common,
)
spot.fit(job_name="sdk2-spot")
job = boto3.client("sagemaker").describe_training_job(TrainingJobName="sdk2-spot")
statuses = [step["Status"] for step in job["SecondaryStatusTransitions"]]
assert (statuses.count("Interrupted"), statuses.count("Training")) == (1, 2), statuses
assert job["BillableTimeInSeconds"] <= job["TrainingTimeInSeconds"], job
assert S3Downloader.read_file(f"s3://{bucket}/sdk2-spot/checkpoints/epoch.txt") == "3"

kept = SKLearn(entry_point="cached.py", keep_alive_period_in_seconds=600, **common)
for _ in range(2):
    kept.fit()
first, second = (boto3.client("sagemaker").describe_training_job(TrainingJobName=one.name) for one in kept.jobs)
assert first["WarmPoolStatus"]["Status"] == "Reused", first["WarmPoolStatus"]
assert first["WarmPoolStatus"]["ReusedByJob"] == second["TrainingJobName"]
assert second["WarmPoolStatus"] == {"Status": "Available"}, second["WarmPoolStatus"]
session.update_training_job(second["TrainingJobName"], resource_config={"KeepAlivePeriodInSeconds": 0})
ended = boto3.client("sagemaker").describe_training_job(TrainingJobName=second["TrainingJobName"])
assert ended["WarmPoolStatus"]["Status"] in ("Available", "Terminated"), ended["WarmPoolStatus"]
print("sdk2 spot: done")
