"""SageMaker SDK v2 in script mode: an SKLearn estimator with a source_dir, deployed with its own model_fn."""

import os

import numpy as np
import sagemaker
from sagemaker.serializers import NumpySerializer
from sagemaker.sklearn import SKLearn
from sklearn.datasets import load_iris

os.makedirs("source", exist_ok=True)
with open("source/train.py", "w") as file:
    file.write(
        """
import argparse, os, joblib, numpy as np
from sklearn.tree import DecisionTreeClassifier

def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-depth", type=int)
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    arguments = parser.parse_args()
    rows = np.loadtxt(os.path.join(arguments.train, "iris.csv"), delimiter=",")
    model = DecisionTreeClassifier(max_depth=arguments.max_depth).fit(rows[:, 1:], rows[:, 0])
    print("accuracy=%f" % model.score(rows[:, 1:], rows[:, 0]))
    joblib.dump(model, os.path.join(arguments.model_dir, "model.joblib"))
"""
    )
features, labels = load_iris(return_X_y=True)
np.savetxt("iris.csv", np.column_stack([labels, features]), delimiter=",")

session = sagemaker.Session()
data = session.upload_data("iris.csv", key_prefix="sdk2-script/train")
estimator = SKLearn(
    entry_point="train.py",
    source_dir="source",
    role=sagemaker.get_execution_role(),
    framework_version="1.2-1",
    instance_type="ml.m5.large",
    hyperparameters={"max-depth": 3},
    metric_definitions=[{"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"}],
)
estimator.fit({"train": data})
assert estimator.latest_training_job.describe()["FinalMetricDataList"][0]["Value"] > 0.9

predictor = estimator.deploy(1, "ml.m5.large", serializer=NumpySerializer())
assert np.mean(np.array(predictor.predict(features)) == labels) > 0.9
predictor.delete_model()
predictor.delete_endpoint()
print("sdk2 script mode: done")
