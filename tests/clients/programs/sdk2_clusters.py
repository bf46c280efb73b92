"""SageMaker SDK v2 with several instances: PyTorch under torchrun with DDP; instance groups with channels of their own."""

import io
import json
import os
import tarfile

import boto3
import numpy as np
import sagemaker
from sagemaker.inputs import TrainingInput
from sagemaker.instance_group import InstanceGroup
from sagemaker.pytorch import PyTorch

os.makedirs("source", exist_ok=True)
with open("source/train.py", "w") as file:
    file.write(
        """
import argparse, os
import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float)
    rate = parser.parse_args().rate
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    assert (rank, world) == (["algo-1", "algo-2"].index(os.environ["SM_CURRENT_HOST"]), 2)
    folder = os.environ["SM_CHANNEL_TRAINING"]
    rows = torch.from_numpy(np.concatenate([np.load(os.path.join(folder, name)) for name in sorted(os.listdir(folder))])).float()
    count = torch.tensor([len(rows)])
    dist.all_reduce(count)
    print(f"rows={len(rows)} of {count.item()}", flush=True)
    torch.manual_seed(rank)
    model = DistributedDataParallel(torch.nn.Linear(2, 1))  # which gives every host the weights of the first
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for _ in range(100):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(rows[:, :2]).squeeze(1), rows[:, 2])
        loss.backward()
        optimizer.step()
    print(f"loss={loss.item():.6f};", flush=True)
    weights = model.module.weight.detach().numpy()
    np.save(os.path.join(os.environ["SM_MODEL_DIR"], f"weights-{rank}.npy"), weights)
    dist.destroy_process_group()
"""
    )
rows = np.random.default_rng(7).uniform(-1, 1, (200, 2))
rows = np.column_stack([rows, rows[:, 0] - 0.5 * rows[:, 1]])
os.makedirs("rows", exist_ok=True)
for number in range(4):
    np.save(f"rows/{number}.npy", rows[number::4])

session = sagemaker.Session()
role = sagemaker.get_execution_role()
data = session.upload_data("rows", key_prefix="sdk2-clusters")


def model_files(estimator):
    """The names and contents of a finished job's model.tar.gz."""
    bucket, _, key = estimator.model_data.removeprefix("s3://").partition("/")
    archive = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {name: tar.extractfile(name).read() for name in tar.getnames()}


estimator = PyTorch(
    entry_point="train.py",
    source_dir="source",
    role=role,
    instance_count=2,
    instance_type="ml.g4dn.xlarge",  # the SDK has torch_distributed for accelerated types only; here they run on CPU
    framework_version="2.6.0",
    py_version="py312",
    hyperparameters={"rate": 0.5},
    distribution={"torch_distributed": {"enabled": True}},
    metric_definitions=[{"Name": "loss", "Regex": "loss=([0-9.]+);"}],
)
estimator.fit({"training": TrainingInput(data, distribution="ShardedByS3Key")})
assert estimator.latest_training_job.describe()["FinalMetricDataList"][0]["Value"] < 0.01
files = model_files(estimator)
weights = [np.load(io.BytesIO(files[f"weights-{rank}.npy"])) for rank in range(2)]
assert np.array_equal(*weights), "both hosts ended with the same weights"
assert np.abs(weights[0] - [1, -0.5]).max() < 0.05, weights

# Two groups: each host says what it is and what it was given.
with open("groups.py", "w") as file:
    file.write(
        """
import json, os
seen = {"group": os.environ["SM_CURRENT_INSTANCE_GROUP"], "type": os.environ["SM_CURRENT_INSTANCE_TYPE"],
        "channels": json.loads(os.environ["SM_CHANNELS"]), "groups": json.loads(os.environ["SM_INSTANCE_GROUPS"])}
with open(os.path.join(os.environ["SM_MODEL_DIR"], os.environ["SM_CURRENT_HOST"]), "w") as file:
    json.dump(seen, file)
"""
    )
feed, fit = InstanceGroup("feed", "ml.c5.xlarge", 1), InstanceGroup("fit", "ml.m5.large", 1)
estimator = PyTorch(
    entry_point="groups.py", role=role, instance_groups=[feed, fit], framework_version="2.6.0", py_version="py312"
)
estimator.fit({"raw": TrainingInput(data, instance_groups=["feed"]), "all": TrainingInput(data)})
assert {host: json.loads(text) for host, text in model_files(estimator).items()} == {
    "algo-1": {"group": "feed", "type": "ml.c5.xlarge", "channels": ["all", "raw"], "groups": ["feed", "fit"]},
    "algo-2": {"group": "fit", "type": "ml.m5.large", "channels": ["all"], "groups": ["feed", "fit"]},
}
print("sdk2 clusters: done")
