"""SageMaker SDK v2, nothing special about it: built-in XGBoost, trained, deployed, asked, batch-transformed, cleaned up."""

import io
import os

import numpy as np
import sagemaker
from sagemaker import image_uris
from sagemaker.deserializers import CSVDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer
from sklearn.datasets import load_breast_cancer

session = sagemaker.Session()
role = sagemaker.get_execution_role()
assert ":role/" in role, role
bucket = session.default_bucket()

features, labels = load_breast_cancer(return_X_y=True)
np.savetxt("train.csv", np.column_stack([labels, features])[:400], delimiter=",", fmt="%.8g")
np.savetxt("validation.csv", np.column_stack([labels, features])[400:480], delimiter=",", fmt="%.8g")
np.savetxt("batch.csv", features[480:], delimiter=",", fmt="%.8g")
train = session.upload_data("train.csv", bucket, "sdk2/train")
validation = session.upload_data("validation.csv", bucket, "sdk2/validation")
batch = session.upload_data("batch.csv", bucket, "sdk2/batch")

estimator = Estimator(
    image_uri=image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1"),
    role=role,
    instance_count=1,
    instance_type="ml.m5.large",
    output_path=f"s3://{bucket}/sdk2/output",
    hyperparameters={"objective": "binary:logistic", "num_round": 30, "eval_metric": "auc"},
    tags=[{"Key": "client", "Value": "sdk2"}],
)
estimator.fit(
    {"train": TrainingInput(train, content_type="csv"), "validation": TrainingInput(validation, content_type="csv")}, logs="All"
)
metrics = {row["MetricName"]: row["Value"] for row in estimator.latest_training_job.describe()["FinalMetricDataList"]}
assert metrics["validation:auc"] > 0.9, metrics
assert Estimator.attach(estimator.latest_training_job.name).model_data == estimator.model_data
frame = sagemaker.analytics.TrainingJobAnalytics(estimator.latest_training_job.name, ["validation:auc"]).dataframe()
assert len(frame) >= 1, frame

predictor = estimator.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=CSVDeserializer())
answers = np.array(predictor.predict(features[480:]), dtype=float).ravel()
assert np.mean((answers > 0.5) == labels[480:]) > 0.9

transformer = estimator.transformer(
    1, "ml.m5.large", assemble_with="Line", accept="text/csv", output_path=f"s3://{bucket}/sdk2/scored"
)
transformer.transform(batch, content_type="text/csv", split_type="Line")
scored = session.read_s3_file(bucket, "sdk2/scored/batch.csv.out")
assert np.allclose(np.loadtxt(io.StringIO(scored)), answers, atol=1e-5)

predictor.delete_model()
predictor.delete_endpoint()
session.sagemaker_client.get_waiter("endpoint_deleted").wait(
    EndpointName=predictor.endpoint_name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
)
os.remove("train.csv")
print("sdk2 built-in: done")
