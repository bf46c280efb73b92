"""SageMaker SDK v2: PipelineModel (real time and batch) and MultiDataModel, unchanged."""

import time

import botocore.exceptions
import numpy as np
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.pipeline import PipelineModel
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearnModel
from sklearn.datasets import load_breast_cancer

session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
features, labels = load_breast_cancer(return_X_y=True)
np.savetxt("train.csv", np.column_stack([labels, features]), delimiter=",", fmt="%.8g")
data = TrainingInput(session.upload_data("train.csv", key_prefix="sdk2-many"), content_type="csv")
image = sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1")
estimator = Estimator(
    image, role, 1, "ml.m5.large", hyperparameters={"objective": "binary:logistic", "num_round": 20}, sagemaker_session=session
)
estimator.fit({"train": data}, logs=False)

# A pipeline: a script takes the id away, XGBoost predicts.
with open("select.py", "w") as file:
    file.write(
        """
def model_fn(folder): return None
def input_fn(body, content_type): return [line.split(",")[1:] for line in body.splitlines() if line]
def predict_fn(rows, model): return rows
def output_fn(rows, accept): return "\\n".join(",".join(row) for row in rows) + "\\n", "text/csv"
"""
    )
selection = SKLearnModel(
    model_data=estimator.model_data, role=role, entry_point="select.py", framework_version="1.2-1", sagemaker_session=session
)
pipeline = PipelineModel(models=[selection, estimator.create_model()], role=role, sagemaker_session=session)
pipeline.deploy(1, "ml.m5.large", endpoint_name="sdk2-pipeline")
predictor = Predictor("sdk2-pipeline", session, CSVSerializer(), CSVDeserializer())
rows = np.column_stack([np.arange(20), features[:20]])
scores = np.array(predictor.predict(rows), dtype=float).ravel()
assert scores.shape == (20,), scores
assert np.mean((scores > 0.5) == labels[:20]) > 0.9
np.savetxt("batch.csv", rows, delimiter=",", fmt="%.8g")
transformer = pipeline.transformer(
    1, "ml.m5.large", assemble_with="Line", accept="text/csv", output_path=f"s3://{bucket}/sdk2-many/out"
)
transformer.transform(
    session.upload_data("batch.csv", key_prefix="sdk2-many/in"), content_type="text/csv", split_type="Line", logs=False
)
batch = np.array(session.read_s3_file(bucket, "sdk2-many/out/batch.csv.out").split(), dtype=float)
assert np.allclose(batch, scores, atol=1e-5)
predictor.delete_endpoint()
pipeline.delete_model()

# Many models on one endpoint; one more while it serves.
many = MultiDataModel(
    name="sdk2-many",
    model_data_prefix=f"s3://{bucket}/sdk2-many/models/",
    model=estimator.create_model(),
    sagemaker_session=session,
)
many.add_model(estimator.model_data, "first/one.tar.gz")
served = many.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=CSVDeserializer(), endpoint_name="sdk2-many")
many.add_model(estimator.model_data, "two.tar.gz")
assert sorted(many.list_models()) == ["first/one.tar.gz", "two.tar.gz"]
for target in ("first/one.tar.gz", "two.tar.gz"):
    began = time.monotonic()
    answer = np.array(served.predict(features[:20], target_model=target), dtype=float).ravel()
    print(f"{target} {1000 * (time.monotonic() - began):.0f} ms")
    assert np.allclose(answer, scores, atol=1e-5)
refusal = ""
try:
    served.predict(features[:1], target_model="none.tar.gz")
except botocore.exceptions.ClientError as error:
    refusal = str(error)
assert "(ValidationError)" in refusal, refusal
assert "Failed to download model data" in refusal, refusal
served.delete_endpoint()
print("sdk2 many: done")
