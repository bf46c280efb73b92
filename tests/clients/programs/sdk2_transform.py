"""SageMaker SDK v2: the legacy XGBoost image, libsvm files, and batch transform with join and filters, also of JSON lines."""

import json

import numpy as np
import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import BatchDataCaptureConfig, TrainingInput
from sagemaker.s3 import S3Downloader
from sagemaker.sklearn import SKLearn
from sklearn.datasets import dump_svmlight_file, load_breast_cancer

session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
features, labels = load_breast_cancer(return_X_y=True)
dump_svmlight_file(features[:400], labels[:400], "train.libsvm")
ids = np.arange(400, 569)
np.savetxt("batch.csv", np.column_stack([ids, features[400:]]), delimiter=",", fmt=["%d"] + ["%.8g"] * 30)
with open("batch.jsonl", "w") as file:
    for number, row in zip(ids, features[400:], strict=True):
        file.write(json.dumps({"id": int(number), "features": row.tolist()}) + "\n")
train, batch, lines = (
    session.upload_data(name, key_prefix=f"sdk2-transform/{name}") for name in ("train.libsvm", "batch.csv", "batch.jsonl")
)

estimator = Estimator(
    sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, version="1"),
    role,
    1,
    "ml.m5.large",
    hyperparameters={"objective": "binary:logistic", "num_round": 20},
)
estimator.fit({"train": TrainingInput(train, content_type="libsvm")}, logs=False)

# The id stays out of the model and comes back beside its score.
transformer = estimator.transformer(
    1, "ml.m5.large", assemble_with="Line", accept="text/csv", output_path=f"s3://{bucket}/sdk2-transform/csv"
)
transformer.transform(
    batch,
    content_type="text/csv",
    split_type="Line",
    join_source="Input",
    input_filter="$[1:]",
    output_filter="$[0,-1]",
    logs=False,
)
scored = np.loadtxt(session.read_s3_file(bucket, "sdk2-transform/csv/batch.csv.out").splitlines(), delimiter=",")
assert scored.shape == (169, 2)
assert (scored[:, 0] == ids).all()
assert np.mean((scored[:, 1] > 0.5) == labels[400:]) > 0.9
transformer.delete_model()

# JSON lines through a script of one's own.
with open("script.py", "w") as file:
    file.write(
        """
import json, os

def model_fn(model_dir):
    return json.load(open(os.path.join(model_dir, "threshold.json")))

def input_fn(body, content_type):
    assert content_type == "application/jsonlines", content_type
    text = body if isinstance(body, str) else body.decode()
    return [json.loads(line) for line in text.splitlines()]

def predict_fn(rows, threshold):
    return [{"large": row["features"][0] > threshold} for row in rows]

def output_fn(answers, accept):
    return "".join(json.dumps(answer) + "\\n" for answer in answers), accept

if __name__ == "__main__":
    json.dump(float(os.environ["SM_HP_THRESHOLD"]), open(os.path.join(os.environ["SM_MODEL_DIR"], "threshold.json"), "w"))
"""
    )
script = SKLearn(
    entry_point="script.py",
    role=role,
    framework_version="1.2-1",
    instance_count=1,
    instance_type="ml.m5.large",
    hyperparameters={"threshold": 15.0},
)
script.fit(logs=False)
transformer = script.transformer(
    1,
    "ml.m5.large",
    strategy="MultiRecord",
    assemble_with="Line",
    accept="application/jsonlines",
    output_path=f"s3://{bucket}/sdk2-transform/jsonl",
)
transformer.transform(
    lines,
    content_type="application/jsonlines",
    split_type="Line",
    join_source="Input",
    output_filter="$['id','SageMakerOutput']",
    batch_data_capture_config=BatchDataCaptureConfig(f"s3://{bucket}/sdk2-transform/captured", generate_inference_id=True),
    logs=False,
)
text = session.read_s3_file(bucket, "sdk2-transform/jsonl/batch.jsonl.out")
found = [json.loads(line) for line in text.splitlines()]
assert len({record.pop("SageMakerInferenceId") for record in found}) == len(found)
assert all(record.pop("SageMakerInferenceTime").endswith("Z") for record in found)
assert found == [
    {"id": int(number), "SageMakerOutput": {"large": bool(row[0] > 15)}}
    for number, row in zip(ids, features[400:], strict=True)
], found[:3]
captured = S3Downloader.list(f"s3://{bucket}/sdk2-transform/captured")
assert len(captured) == 2, captured
assert json.loads(S3Downloader.read_file(captured[1]))[1] == "batch.jsonl.out", captured
transformer.delete_model()
print("sdk2 transform: done")
