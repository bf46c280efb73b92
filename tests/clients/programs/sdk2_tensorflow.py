"""SageMaker SDK v2: TensorFlow in script mode, its model deployed, deployed with handlers, compiled by Neo."""

import os

import numpy as np
import sagemaker
from sagemaker.serializers import CSVSerializer, IdentitySerializer
from sagemaker.tensorflow import TensorFlow, TensorFlowModel

os.makedirs("source", exist_ok=True)
with open("source/train.py", "w") as file:
    file.write(
        """
import argparse, os
import numpy as np
import tensorflow as tf

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--model_dir")  # the SDK's: where checkpoints would go in S3
parser.add_argument("--sm-model-dir", default=os.environ["SM_MODEL_DIR"])
arguments = parser.parse_args()
rows = np.loadtxt(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "rows.csv"), delimiter=",", dtype="float32")
tf.keras.utils.set_random_seed(0)
line = tf.keras.Sequential([tf.keras.layers.Input((2,), name="rows"), tf.keras.layers.Dense(1)])
line.compile(optimizer=tf.keras.optimizers.Adam(0.05), loss="mse")
line.fit(rows[:, 1:], rows[:, 0], epochs=arguments.epochs, verbose=0)
line.export(os.path.join(arguments.sm_model_dir, "1"), verbose=False)
"""
    )
with open("source/inference.py", "w") as file:
    file.write(
        """
import json

def input_handler(data, context):
    rows = [[float(value) for value in row.split(";")] for row in data.read().decode().split()]
    return json.dumps({"instances": rows})

def output_handler(answer, context):
    if answer.status_code != 200:
        raise ValueError(answer.content.decode())
    return json.dumps({"rounded": [round(row[0]) for row in answer.json()["predictions"]]}), "application/json"
"""
    )
features = np.random.default_rng(0).normal(size=(512, 2))
np.savetxt("rows.csv", np.column_stack([features @ [1.0, 2.0] + 3.0, features]), delimiter=",")

session = sagemaker.Session()
role = sagemaker.get_execution_role()
estimator = TensorFlow(
    entry_point="train.py",
    source_dir="source",
    role=role,
    framework_version="2.19.0",
    py_version="py312",
    instance_type="ml.m5.large",
    instance_count=1,
    hyperparameters={"epochs": 20},
)
estimator.fit({"train": session.upload_data("rows.csv", key_prefix="sdk2-tensorflow")})

predictor = estimator.deploy(1, "ml.m5.large")
assert [round(row[0]) for row in predictor.predict({"instances": [[1.0, 2.0], [0.0, 0.0]]})["predictions"]] == [8, 3]
predictor.serializer = CSVSerializer()
assert [round(row[0]) for row in predictor.predict([[1.0, 2.0], [0.0, 0.0]])["predictions"]] == [8, 3]
predictor.delete_model()
predictor.delete_endpoint()

scripted = TensorFlowModel(
    estimator.model_data,
    role,
    entry_point="inference.py",
    source_dir="source",
    framework_version="2.19.0",
    sagemaker_session=session,
)
predictor = scripted.deploy(1, "ml.m5.large", serializer=IdentitySerializer("text/plain"))
assert predictor.predict("1;2 0;0") == {"rounded": [8, 3]}
predictor.delete_model()
predictor.delete_endpoint()

compiled = TensorFlowModel(estimator.model_data, role, framework_version="2.19.0", sagemaker_session=session)
compiled.compile(
    target_instance_family="ml_c5",
    input_shape={"rows": [1, 2]},
    output_path=f"s3://{session.default_bucket()}/sdk2-tensorflow/compiled",
    role=role,
    job_name="sdk2-tensorflow",
    framework="tensorflow",
    framework_version="2.9",
)
predictor = compiled.deploy(1, "ml.c5.large")
assert [round(row[0]) for row in predictor.predict({"instances": [[1.0, 2.0], [0.0, 0.0]]})["predictions"]] == [8, 3]
predictor.delete_model()
predictor.delete_endpoint()
print("sdk2 tensorflow: done")
