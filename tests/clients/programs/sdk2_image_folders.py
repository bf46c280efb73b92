"""SageMaker SDK v2: JumpStart's image classification on folders of images, as AWS's guide does it."""

import struct
import zlib

import boto3
import numpy as np
import sagemaker
from sagemaker.jumpstart.estimator import JumpStartEstimator
from sagemaker.predictor import Predictor

session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
s3 = boto3.client("s3")
random = np.random.default_rng(0)
COLOURS = np.array([(220, 40, 40), (40, 200, 40), (40, 40, 220)])
NAMES = ("red", "green", "blue")


def png(pixels: np.ndarray) -> bytes:
    """An RGB image."""
    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in pixels.astype(np.uint8))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    found = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + found


def picture(label: int, side: int) -> bytes:
    """A noisy square of one colour."""
    return png(np.clip(COLOURS[label] + random.normal(0, 30, (side, side, 3)), 0, 255))


for number in range(60):
    s3.put_object(Bucket=bucket, Key=f"folders/{NAMES[number % 3]}/{number}.png", Body=picture(number % 3, 32))
model = "tensorflow-ic-imagenet-mobilenet-v2-035-96"
estimator = JumpStartEstimator(model, role=role, hyperparameters={"epochs": "8", "batch_size": "8", "learning_rate": "0.002"})
estimator.fit({"training": f"s3://{bucket}/folders/"}, logs=True)
predictor: Predictor = estimator.deploy()
for label, name in enumerate(NAMES):
    answer = predictor.predict(picture(label, 40), {"ContentType": "application/x-image", "Accept": "application/json;verbose"})
    assert answer["labels"] == sorted(NAMES), answer
    assert answer["predicted_label"] == name, (name, answer)
predictor.delete_model()
predictor.delete_endpoint()
print("sdk2 image folders: done")
