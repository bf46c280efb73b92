"""SageMaker SDK v2: JumpStart's LightGBM and CatBoost, found, trained, deployed and asked as AWS's guide does it."""

import io
import json

import boto3
import numpy as np
import sagemaker
from sagemaker import hyperparameters, image_uris, model_uris, script_uris
from sagemaker.estimator import Estimator
from sagemaker.jumpstart.estimator import JumpStartEstimator
from sagemaker.jumpstart.model import JumpStartModel
from sagemaker.jumpstart.notebook_utils import list_jumpstart_models
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.metrics import roc_auc_score

session = sagemaker.Session()
role = sagemaker.get_execution_role()
region = session.boto_region_name
bucket = session.default_bucket()
s3 = boto3.client("s3")


def upload(name: str, table: np.ndarray, split: int) -> str:
    """Folders train/ and validation/ with a data.csv each."""
    for folder, rows in (("train", table[:split]), ("validation", table[split:])):
        body = "\n".join(",".join(f"{cell:.8g}" for cell in row) for row in rows)
        s3.put_object(Bucket=bucket, Key=f"{name}/{folder}/data.csv", Body=body.encode())
    return f"s3://{bucket}/{name}/"


cancer = load_breast_cancer()
binary = np.column_stack([cancer.target, cancer.data])
diabetes = load_diabetes()

assert {"lightgbm-classification-model", "catboost-regression-model"} <= set(list_jumpstart_models())
assert set(list_jumpstart_models("framework == catboost")) == {"catboost-classification-model", "catboost-regression-model"}
assert "lightgbm-regression-model" in list_jumpstart_models("training_supported is True")

# The short way.
estimator = JumpStartEstimator(
    "lightgbm-classification-model",
    role=role,
    hyperparameters={"num_boost_round": "80", "metric": "auc", "learning_rate": "0.1"},
)
estimator.fit({"training": upload("lightgbm", binary, 450)}, logs=True)
values = {row["MetricName"]: row["Value"] for row in estimator.latest_training_job.describe()["FinalMetricDataList"]}
assert values["auc"] > 0.95, values
predictor = estimator.deploy()
answer = predictor.predict("\n".join(",".join(map(str, row)) for row in cancer.data[450:]))
assert roc_auc_score(cancer.target[450:], answer["probabilities"]) > 0.97
verbose = predictor.predict(
    ",".join(map(str, cancer.data[500])), {"ContentType": "text/csv", "Accept": "application/json;verbose"}
)
assert verbose["labels"] == [0, 1], verbose
predictor.delete_model()
predictor.delete_endpoint()

attached = JumpStartEstimator.attach(estimator.latest_training_job.name, "lightgbm-classification-model")
assert attached.model_data == estimator.model_data

# A model without training.
model = JumpStartModel("catboost-classification-model", role=role)
predictor = model.deploy()
s3.download_file(f"jumpstart-cache-prod-{region}", "training-datasets/tabular_multiclass/validation/data.csv", "digits.csv")
digits = np.loadtxt("digits.csv", delimiter=",")
answer = predictor.predict("\n".join(",".join(map(str, row)) for row in digits[:, 1:]))
assert np.mean(np.argmax(answer["probabilities"], axis=1) == digits[:, 0]) > 0.8
predictor.delete_model()
predictor.delete_endpoint()

# The long way of the guide's notebooks, on the data set of the JumpStart bucket.
model_id = "catboost-regression-model"
parameters = hyperparameters.retrieve_default(model_id=model_id, model_version="*")
parameters["iterations"] = "60"
parameters["learning_rate"] = "0.2"
hyperparameters.validate(model_id=model_id, model_version="*", hyperparameters=parameters)
image = image_uris.retrieve(
    region=None, framework=None, model_id=model_id, model_version="*", image_scope="training", instance_type="ml.m5.xlarge"
)
estimator = Estimator(
    role=role,
    image_uri=image,
    source_dir=script_uris.retrieve(model_id=model_id, model_version="*", script_scope="training"),
    model_uri=model_uris.retrieve(model_id=model_id, model_version="*", model_scope="training"),
    entry_point="transfer_learning.py",
    instance_count=1,
    instance_type="ml.m5.xlarge",
    max_run=360000,
    hyperparameters=parameters,
    output_path=f"s3://{bucket}/jumpstart/output",
)
estimator.fit({"training": f"s3://jumpstart-cache-prod-{region}/training-datasets/tabular_regression/"}, logs=True)
predictor = estimator.deploy(
    initial_instance_count=1,
    instance_type="ml.m5.large",
    entry_point="inference.py",
    image_uri=image_uris.retrieve(
        region=None, framework=None, model_id=model_id, model_version="*", image_scope="inference", instance_type="ml.m5.large"
    ),
    source_dir=script_uris.retrieve(model_id=model_id, model_version="*", script_scope="inference"),
    endpoint_name="catboost-by-hand",
)
table = s3.get_object(Bucket=f"jumpstart-cache-prod-{region}", Key="training-datasets/tabular_regression/validation/data.csv")
rows = np.loadtxt(io.BytesIO(table["Body"].read()), delimiter=",")
response = boto3.client("sagemaker-runtime").invoke_endpoint(
    EndpointName="catboost-by-hand",
    ContentType="text/csv",
    Body="\n".join(",".join(map(str, row)) for row in rows[:, 1:]).encode(),
)
predictions = np.array(json.loads(response["Body"].read())["prediction"])
assert np.sqrt(np.mean((predictions - rows[:, 0]) ** 2)) < 75
predictor.delete_model()
predictor.delete_endpoint()
print("sdk2 JumpStart: done")
