"""SageMaker SDK v3: ModelTrainer to the full: requirements, Compute, Torchrun, local files as channels, commands, TensorBoard output."""

import os

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.shapes import TensorBoardOutputConfig
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode
from sagemaker.train.distributed import Torchrun

session = Session()
role = get_execution_role(session)
bucket = session.default_bucket()
pytorch = image_uris.retrieve(
    "pytorch", session.boto_region_name, version="2.6", py_version="py312", instance_type="ml.m5.large", image_scope="training"
)
shared = {
    "training_image": pytorch,
    "compute": Compute(instance_type="ml.m5.large", instance_count=1),
    "role": role,
    "sagemaker_session": session,
}

os.makedirs("source", exist_ok=True)
os.makedirs("rows", exist_ok=True)
with open("rows/part.csv", "w") as file:
    file.write("1,2\n3,4\n")
with open("source/needs.txt", "w") as file:
    file.write("text-unidecode==1.3\n")
with open("source/train.py", "w") as file:
    file.write(
        """
import argparse, json, os
import torch
import torch.distributed as distributed
from text_unidecode import unidecode

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int)
arguments = parser.parse_args()
distributed.init_process_group("gloo")
rank, world = distributed.get_rank(), distributed.get_world_size()
total = torch.tensor([float(rank + 1)])
distributed.all_reduce(total)
assert world == 2 and total.item() == 3 and arguments.rounds == 7 and unidecode("é") == "e"
assert os.listdir(os.environ["SM_CHANNEL_ROWS"]) == ["part.csv"], os.listdir(os.environ["SM_CHANNEL_ROWS"])
assert json.loads(os.environ["SM_HPS"])["rounds"] == 7
os.makedirs("/opt/ml/output/tensorboard", exist_ok=True)
if rank == 0:
    open("/opt/ml/output/tensorboard/events.out.tfevents.1", "w").write("events")
    open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w").write("trained")
print("rank %d of %d" % (rank, world))
distributed.destroy_process_group()
"""
    )
trainer = ModelTrainer(
    source_code=SourceCode(source_dir="source", entry_script="train.py", requirements="needs.txt"),
    distributed=Torchrun(process_count_per_node=2),
    hyperparameters={"rounds": 7},
    base_job_name="sdk3-torchrun",
    **shared,
).with_tensorboard_output_config(TensorBoardOutputConfig(s3_output_path=f"s3://{bucket}/sdk3-script-mode/board"))
trainer.train(input_data_config=[InputData(channel_name="rows", data_source="rows")], wait=True, logs=True)
assert trainer._latest_training_job.training_job_status == "Completed"
keys = [item["Key"] for item in boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix="sdk3-script-mode/board")["Contents"]]
assert any(key.endswith("events.out.tfevents.1") for key in keys), keys

# A command of one's own, with what it installs itself.
commanding = ModelTrainer(
    source_code=SourceCode(
        source_dir="source",
        command="pip install -q -r needs.txt && python -c 'import text_unidecode; print(len(\"two words\"))'",
    ),
    base_job_name="sdk3-command",
    environment={"PIP_NO_INPUT": "1"},
    **shared,
)
commanding.train(wait=True, logs=True)
assert commanding._latest_training_job.training_job_status == "Completed"
print("sdk3 full script mode: done")
