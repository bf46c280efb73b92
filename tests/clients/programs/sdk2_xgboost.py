"""SageMaker SDK v2: XGBoost as a framework, with a training script, served by the image's default handlers."""

import numpy as np
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer, LibSVMSerializer
from sagemaker.xgboost import XGBoost
from sklearn.datasets import load_breast_cancer

with open("train.py", "w") as file:
    file.write(
        """
import argparse, os
import xgboost

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--num_round", type=int)
    parser.add_argument("--objective")
    parser.add_argument("--max_depth", type=int)
    arguments, _ = parser.parse_known_args()
    rows = xgboost.DMatrix(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "train.csv") + "?format=csv&label_column=0")
    parameters = {"objective": arguments.objective, "max_depth": arguments.max_depth, "eval_metric": "auc"}
    booster = xgboost.train(parameters, rows, arguments.num_round, evals=[(rows, "train")])
    booster.save_model(os.path.join(os.environ["SM_MODEL_DIR"], "xgboost-model"))
"""
    )
features, labels = load_breast_cancer(return_X_y=True)
np.savetxt("train.csv", np.column_stack([labels, features])[:400], delimiter=",", fmt="%.8g")

session = sagemaker.Session()
estimator = XGBoost(
    entry_point="train.py",
    framework_version="1.7-1",
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.large",
    hyperparameters={"num_round": 20, "objective": "binary:logistic", "max_depth": 4},
)
data = session.upload_data("train.csv", key_prefix="sdk2-xgboost")
estimator.fit({"train": TrainingInput(data, content_type="text/csv")})

predictor = estimator.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=CSVDeserializer(), wait=False)
session.wait_for_endpoint(predictor.endpoint_name, poll=1)
answers = np.array(predictor.predict(features[400:]), dtype=float).ravel()
assert np.mean((answers > 0.5) == labels[400:]) > 0.9
predictor.serializer = LibSVMSerializer()
lines = "\n".join(" ".join(f"{index}:{value:.8g}" for index, value in enumerate(row)) for row in features[400:])
assert np.allclose(np.array(predictor.predict(lines), dtype=float).ravel(), answers, atol=1e-4)
predictor.delete_model()
predictor.delete_endpoint()
print("sdk2 XGBoost script mode: done")
