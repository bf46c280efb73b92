"""SageMaker SDK v2, data capture: at deploy, changed while the endpoint serves, turned off."""

import json
import time

import numpy as np
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.model_monitor import DataCaptureConfig
from sagemaker.s3 import S3Downloader
from sagemaker.serializers import CSVSerializer

session = sagemaker.Session()
role = sagemaker.get_execution_role()
rows = np.random.default_rng(0).uniform(0, 10, (200, 3))
rows[:, 0] = rows[:, 1]
np.savetxt("train.csv", rows, delimiter=",", fmt="%.5g")
data = TrainingInput(session.upload_data("train.csv", key_prefix="sdk2-capture"), content_type="csv")
image = sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1")
estimator = Estimator(image, role, 1, "ml.m5.large", sagemaker_session=session, hyperparameters={"num_round": 5})
estimator.fit({"train": data}, logs=False)

destination = f"s3://{session.default_bucket()}/captured"
predictor = estimator.deploy(
    initial_instance_count=1,
    instance_type="ml.m5.large",
    serializer=CSVSerializer(),
    deserializer=CSVDeserializer(),
    data_capture_config=DataCaptureConfig(True, 100, destination, sagemaker_session=session),
)
endpoint = predictor.endpoint_name


def described():
    return session.sagemaker_client.describe_endpoint(EndpointName=endpoint).get("DataCaptureConfig")


def captured(place, count):
    """The records, as soon as there are so many."""
    deadline = time.time() + 60
    while time.time() < deadline:
        files = S3Downloader.list(f"{place}/{endpoint}")
        records = [json.loads(line) for file in files for line in S3Downloader.read_file(file).splitlines()]
        if len(records) >= count:
            return files, records
        time.sleep(0.5)
    raise AssertionError(f"{len(records)} of {count} records in {files}")


assert described() == {
    "EnableCapture": True,
    "CaptureStatus": "Started",
    "CurrentSamplingPercentage": 100,
    "DestinationS3Uri": destination,
    "KmsKeyId": "",
}
for number in range(3):
    answer = predictor.predict(rows[number, 1:], inference_id=f"id-{number}")
files, records = captured(destination, 3)
assert files[0].startswith(f"{destination}/{endpoint}/AllTraffic/{time.strftime('%Y/%m/', time.gmtime())}"), files
assert {record["eventMetadata"]["inferenceId"] for record in records} == {"id-0", "id-1", "id-2"}
given = records[-1]["captureData"]["endpointInput"]
assert (given["encoding"], given["mode"]) == ("CSV", "INPUT"), given
assert [float(value) for value in given["data"].split(",")] == list(rows[2, 1:])
assert float(records[-1]["captureData"]["endpointOutput"]["data"]) == float(answer[0][0])

# Elsewhere and half of it, while it serves.
elsewhere = f"s3://{session.default_bucket()}/elsewhere"
predictor.update_data_capture_config(
    DataCaptureConfig(True, 50, elsewhere, capture_options=["REQUEST"], sagemaker_session=session)
)
assert described()["CurrentSamplingPercentage"] == 50
for _ in range(40):
    predictor.predict(rows[0, 1:])
_, records = captured(elsewhere, 4)
assert set(records[0]["captureData"]) == {"endpointInput"}

predictor.disable_data_capture()
assert described()["CaptureStatus"] == "Stopped"
predictor.predict(rows[0, 1:])
predictor.delete_endpoint()
print("sdk2 data capture: done")
