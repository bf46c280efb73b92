"""SageMaker SDK v2 with PyTorch: train with a requirements.txt, deploy with one's own serving functions, repack a model."""

import os

import numpy as np
import sagemaker
from sagemaker.deserializers import JSONDeserializer, NumpyDeserializer
from sagemaker.pytorch import PyTorch, PyTorchModel
from sagemaker.serializers import JSONSerializer, NumpySerializer

FRAMEWORK = {"framework_version": "2.6", "py_version": "py312"}

os.makedirs("source", exist_ok=True)
with open("source/requirements.txt", "w") as file:
    file.write("numpy\n")
with open("source/network.py", "w") as file:
    file.write(
        """
import torch

def network(width):
    return torch.nn.Sequential(torch.nn.Linear(2, width), torch.nn.Tanh(), torch.nn.Linear(width, 1))
"""
    )
with open("source/train.py", "w") as file:
    file.write(
        """
import argparse, io, json, os
import numpy as np
import torch
from network import network

def model_fn(model_dir):
    saved = torch.load(os.path.join(model_dir, "model.pth"))
    model = network(saved["width"])
    model.load_state_dict(saved["weights"])
    return model.eval()

def input_fn(body, content_type):
    if content_type == "application/x-npy":
        return torch.from_numpy(np.load(io.BytesIO(body))).float()
    return torch.tensor(json.loads(body)["rows"])

def predict_fn(rows, model):
    with torch.no_grad():
        return model(rows).squeeze(1)

def output_fn(answers, accept):
    if accept == "application/x-npy":
        text = io.BytesIO()
        np.save(text, answers.numpy())
        return text.getvalue(), accept
    return json.dumps({"answers": answers.tolist()}), "application/json"

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--verbose", type=lambda text: text == "True")
    arguments = parser.parse_args()
    assert arguments.verbose and os.environ["SHADE"] == "blue"
    rows = torch.from_numpy(np.load(os.path.join(os.environ["SM_CHANNEL_TRAINING"], "rows.npy"))).float()
    model = network(arguments.width)
    optimizer = torch.optim.Adam(model.parameters(), lr=arguments.rate)
    for epoch in range(200):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(rows[:, :2]).squeeze(1), rows[:, 2])
        loss.backward()
        optimizer.step()
    print(f"loss={loss.item():.6f};")
    torch.save({"width": arguments.width, "weights": model.state_dict()}, os.path.join(os.environ["SM_MODEL_DIR"], "model.pth"))
"""
    )
rows = np.random.default_rng(7).uniform(-1, 1, (200, 2))
np.save("rows.npy", np.column_stack([rows, rows[:, 0] - 0.5 * rows[:, 1]]))

session = sagemaker.Session()
role = sagemaker.get_execution_role()
estimator = PyTorch(
    entry_point="train.py",
    source_dir="source",
    role=role,
    instance_count=1,
    instance_type="ml.m5.large",
    hyperparameters={"width": 16, "rate": 0.01, "verbose": True},
    environment={"SHADE": "blue"},
    metric_definitions=[{"Name": "loss", "Regex": "loss=([0-9.]+);"}],
    **FRAMEWORK,
)
estimator.fit(session.upload_data("rows.npy", key_prefix="sdk2-pytorch"))
assert estimator.latest_training_job.describe()["FinalMetricDataList"][0]["Value"] < 0.05


def deploy(model):
    """Like ``model.deploy(1, "ml.m5.large")``, which looks at the endpoint every 30 seconds only."""
    predictor = model.deploy(1, "ml.m5.large", serializer=NumpySerializer(), deserializer=NumpyDeserializer(), wait=False)
    session.wait_for_endpoint(predictor.endpoint_name, poll=1)
    return predictor


# The estimator's own script serves: model_fn, input_fn, predict_fn and output_fn, once as .npy and once as JSON.
predictor = deploy(estimator)
expected = rows[:5, 0] - 0.5 * rows[:5, 1]
answers = predictor.predict(rows[:5])
assert np.abs(answers - expected).max() < 0.3, (answers, expected)
predictor.serializer, predictor.deserializer = JSONSerializer(), JSONDeserializer()
assert np.allclose(predictor.predict({"rows": rows[:5].tolist()})["answers"], answers, atol=1e-5)
predictor.delete_model()
predictor.delete_endpoint()

# PyTorchModel puts other code into the same archive (SAGEMAKER_SUBMIT_DIRECTORY=/opt/ml/model/code).
os.makedirs("serving", exist_ok=True)
with open("serving/inference.py", "w") as file:
    file.write("from train import *\n\ndef predict_fn(rows, model):\n    return 100 + model(rows).squeeze(1).detach()\n")
model = PyTorchModel(
    model_data=estimator.model_data,
    role=role,
    entry_point="inference.py",
    source_dir="serving",
    dependencies=["source/train.py", "source/network.py"],
    **FRAMEWORK,
)
predictor = deploy(model)
assert np.allclose(predictor.predict(rows[:5]), 100 + answers, atol=1e-4)
predictor.delete_model()
predictor.delete_endpoint()
print("sdk2 PyTorch: done")
