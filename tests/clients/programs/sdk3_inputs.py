"""SageMaker SDK v3: the same: InputData with S3DataSource in FastFile mode, and with a FileSystemDataSource."""

import os
import sys

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.shapes import Channel, DataSource, FileSystemDataSource, S3DataSource
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, Networking, SourceCode

os.makedirs("source", exist_ok=True)
with open("source/train.py", "w") as file:
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

session = Session()
data = os.path.dirname(session.upload_data("rows.csv", session.default_bucket(), "sdk3-inputs/train"))
shared = FileSystemDataSource(
    file_system_id=sys.argv[1], file_system_type="EFS", directory_path="/set", file_system_access_mode="ro"
)
source = S3DataSource(s3_data_type="S3Prefix", s3_uri=data, s3_data_distribution_type="FullyReplicated")
trainer = ModelTrainer(
    training_image=image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1", instance_type="ml.m5.large"),
    source_code=SourceCode(source_dir="source", entry_script="train.py"),
    base_job_name="sdk3-inputs",
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    role=get_execution_role(session),
    sagemaker_session=session,
    networking=Networking(subnets=["subnet-1"], security_group_ids=["sg-1"]),  # as AWS demands for a file system
)
channels = [
    Channel(channel_name="fast", input_mode="FastFile", data_source=DataSource(s3_data_source=source)),
    InputData(channel_name="shared", data_source=shared),
]
trainer.train(input_data_config=channels, wait=True, logs=True)
print("sdk3 inputs: done")
