"""SageMaker SDK v2: data that are not copied: TrainingInput in FastFile mode, and a FileSystemInput."""

import os
import sys

import sagemaker
from sagemaker.inputs import FileSystemInput, TrainingInput
from sagemaker.sklearn import SKLearn

with open("train.py", "w") as file:
    file.write(
        """
import os
fast, shared = os.environ["SM_CHANNEL_FAST"], os.environ["SM_CHANNEL_SHARED"]
text = open(os.path.join(fast, "rows.csv")).read()
assert text == "1,2\\n3,4\\n", text
assert os.stat(fast).st_dev != os.stat("/opt/ml").st_dev, "it was copied"
assert open(os.path.join(shared, "rows.csv")).read() == text
print("both are there")
"""
    )
with open("rows.csv", "w") as file:
    file.write("1,2\n3,4\n")

session = sagemaker.Session()
data = session.upload_data("rows.csv", key_prefix="sdk2-inputs/train")
estimator = SKLearn(
    entry_point="train.py",
    role=sagemaker.get_execution_role(),
    framework_version="1.2-1",
    instance_type="ml.m5.large",
    subnets=["subnet-1"],  # the SDK wants them for a file system
    security_group_ids=["sg-1"],
)
shared = FileSystemInput(
    file_system_id=sys.argv[1], file_system_type="EFS", directory_path="/set", file_system_access_mode="ro"
)
estimator.fit({"fast": TrainingInput(os.path.dirname(data), input_mode="FastFile"), "shared": shared})
channels = {channel["ChannelName"]: channel for channel in estimator.latest_training_job.describe()["InputDataConfig"]}
assert channels["fast"]["InputMode"] == "FastFile"
assert channels["shared"]["DataSource"]["FileSystemDataSource"]["FileSystemId"] == sys.argv[1]
print("sdk2 inputs: done")
