"""SageMaker SDK v2: Image Classification on record files and on image files, as AWS's notebooks do it."""

import json
import struct
import zlib

import boto3
import numpy as np
import sagemaker
from sagemaker import image_uris
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import IdentitySerializer

session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
s3 = boto3.client("s3")
random = np.random.default_rng(0)
COLOURS = np.array([(220, 40, 40), (40, 200, 40), (40, 40, 220)])
NAMES = ("red", "green", "blue")
SIDE = 12


def png(pixels: np.ndarray) -> bytes:
    """An RGB image."""
    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in pixels.astype(np.uint8))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    found = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + found


def picture(label: int, side: int = SIDE) -> bytes:
    """A noisy square of one colour."""
    return png(np.clip(COLOURS[label] + random.normal(0, 30, (side, side, 3)), 0, 255))


def record(number: int, label: int) -> bytes:
    """As MXNet's im2rec writes it."""
    payload = struct.pack("<IfQQ", 0, label, number, 0) + picture(label)
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + bytes(-len(payload) % 4)


def put(key: str, body: bytes) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=body)


# Record files.
for name, count in (("train", 40), ("validation", 12)):
    put(f"rec/{name}/images.rec", b"".join(record(number, number % 3) for number in range(count)))
image = image_uris.retrieve("image-classification", session.boto_region_name)
hyperparameters = {
    "num_layers": 20,
    "image_shape": f"3,{SIDE},{SIDE}",
    "num_classes": 3,
    "num_training_samples": 40,
    "mini_batch_size": 8,
    "epochs": 6,
    "learning_rate": 0.02,
}
estimator = Estimator(image, role, 1, "ml.p3.2xlarge", output_path=f"s3://{bucket}/output", sagemaker_session=session)
estimator.set_hyperparameters(**hyperparameters)
estimator.fit(
    {
        name: TrainingInput(f"s3://{bucket}/rec/{name}/", content_type="application/x-recordio")
        for name in ("train", "validation")
    }
)
values = {row["MetricName"]: row["Value"] for row in estimator.latest_training_job.describe()["FinalMetricDataList"]}
assert values["validation:accuracy"] > 0.9, values
predictor = estimator.deploy(1, "ml.m5.large", serializer=IdentitySerializer("application/x-image"))
for label in range(3):
    probabilities = json.loads(predictor.predict(picture(label, 20)))
    assert int(np.argmax(probabilities)) == label, probabilities
predictor.delete_model()
predictor.delete_endpoint()

# Image files and lists, going on from that model; several files through batch transform.
for name, count in (("train", 24), ("validation", 9)):
    lines = []
    for number in range(count):
        put(f"files/{name}/{NAMES[number % 3]}/{number}.png", picture(number % 3, 16))
        lines.append(f"{number}\t{number % 3}\t{NAMES[number % 3]}/{number}.png\n")
    put(f"files/{name}_lst/{name}.lst", "".join(lines).encode())
channels = {
    name: TrainingInput(f"s3://{bucket}/files/{name}/", content_type="application/x-image")
    for name in ("train", "validation", "train_lst", "validation_lst")
}
channels["model"] = TrainingInput(estimator.model_data, content_type="application/x-sagemaker-model")
again = Estimator(image, role, 1, "ml.p3.2xlarge", output_path=f"s3://{bucket}/output", sagemaker_session=session)
again.set_hyperparameters(
    **{**hyperparameters, "num_training_samples": 24, "epochs": 2, "resize": 14, "augmentation_type": "crop"}
)
again.fit(channels)
transformer = again.transformer(1, "ml.m5.large", accept="application/jsonlines", output_path=f"s3://{bucket}/transformed")
transformer.transform(f"s3://{bucket}/files/validation/", content_type="application/x-image")
transformer.wait()
for number in range(9):
    body = s3.get_object(Bucket=bucket, Key=f"transformed/{NAMES[number % 3]}/{number}.png.out")["Body"].read()
    assert int(np.argmax(json.loads(body)["prediction"])) == number % 3

print("sdk2 images: done")
