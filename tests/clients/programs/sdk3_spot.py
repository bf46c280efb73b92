"""SageMaker SDK v3: managed spot training that goes on from its checkpoints, then a warm pool that the next job reuses."""

import os

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import TrainingJob
from sagemaker.core.shapes import ResourceConfigForUpdate
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import CheckpointConfig, Compute, SourceCode, StoppingCondition

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
"""
    )
with open("source/cached.py", "w") as file:
    file.write("print('trained')\n")

session = Session()
bucket = session.default_bucket()
common = {
    "training_image": image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1", instance_type="ml.m5.large"),
    "role": get_execution_role(session),
    "sagemaker_session": session,
}
size = {"instance_type": "ml.m5.large", "instance_count": 1, "volume_size_in_gb": 30}
spot = ModelTrainer(
    source_code=SourceCode(source_dir="source", entry_script="train.py"),
    base_job_name="sdk3-spot",
    compute=Compute(enable_managed_spot_training=True, **size),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=600, max_wait_time_in_seconds=1200),
    checkpoint_config=CheckpointConfig(s3_uri=f"s3://{bucket}/sdk3-spot/checkpoints"),
    **common,
)
spot.train(wait=True, logs=True)
job = spot._latest_training_job
job.refresh()
statuses = [step.status for step in job.secondary_status_transitions]
assert (statuses.count("Interrupted"), statuses.count("Training")) == (1, 2), statuses
assert job.billable_time_in_seconds <= job.training_time_in_seconds

kept = ModelTrainer(
    source_code=SourceCode(source_dir="source", entry_script="cached.py"),
    base_job_name="sdk3-warm",
    compute=Compute(keep_alive_period_in_seconds=600, **size),
    **common,
)
jobs = []
for _ in range(2):
    kept.train(wait=True, logs=False)
    jobs.append(kept._latest_training_job)
first, second = (TrainingJob.get(training_job_name=one.training_job_name) for one in jobs)
assert (first.warm_pool_status.status, first.warm_pool_status.reused_by_job) == ("Reused", second.training_job_name)
assert second.warm_pool_status.status == "Available"
second.update(resource_config=ResourceConfigForUpdate(keep_alive_period_in_seconds=1))  # the SDK drops a 0
second.refresh()
assert second.warm_pool_status.status in ("Available", "Terminated")
print("sdk3 spot: done")
