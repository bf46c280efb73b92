"""Script mode with the SageMaker Python SDK v2: your own script in a scikit-learn container, trained, deployed, asked.

Nothing in it is Sagewright's: ``sagewright run -- python examples/script_mode/run.py`` points it at the server.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearn
from sklearn.datasets import load_breast_cancer

session = sagemaker.Session()
features, labels = load_breast_cancer(return_X_y=True)
np.savetxt("train.csv", np.column_stack([labels, features])[:400], delimiter=",", fmt="%.8g")
train = session.upload_data("train.csv", key_prefix="script-mode/train")
Path("train.csv").unlink()

estimator = SKLearn(
    entry_point="train.py",
    source_dir=str(Path(__file__).parent),
    role=sagemaker.get_execution_role(),
    framework_version="1.2-1",
    instance_type="ml.m5.large",
    hyperparameters={"n-estimators": 50},
    metric_definitions=[{"Name": "train:accuracy", "Regex": "train:accuracy=(.*?);"}],
)
estimator.fit({"train": train})

predictor = estimator.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=CSVDeserializer())
answers = np.array(predictor.predict(features[400:]), dtype=float).ravel()
print(f"accuracy of {len(answers)} unseen rows: {np.mean(answers == labels[400:]):.2f}")
predictor.delete_model()
predictor.delete_endpoint()
