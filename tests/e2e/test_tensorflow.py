"""TensorFlow's images with a real TensorFlow: a script trains, its models are served, many on one endpoint, and compiled (G03, K02, K06, L01).

Builds two environments of more than a gigabyte each. Needs a network, or uv's cache.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from typing import Any

import botocore.exceptions
import pytest
from support.jobs import archive, bucket, log_lines, script_job, wait, wait_for_job
from support.server import ROLE, Server, running_server

pytestmark = pytest.mark.slow
AWS = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
TRAINING, INFERENCE = f"{AWS}/tensorflow-training:2.19.0-cpu", f"{AWS}/tensorflow-inference:2.19.0-cpu"
PATIENCE = 400.0
TRAIN = """
import os
import numpy as np
import tensorflow as tf

class Half(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": x / 2 + 2}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="s")])
    def upper(self, s):
        return {"u": tf.strings.upper(s)}

print("tensorflow", tf.__version__)
place = os.environ["SM_MODEL_DIR"]
half = Half()
tf.saved_model.save(half, f"{place}/half/1", signatures={"serving_default": half.__call__, "upper": half.upper})

rng = np.random.default_rng(0)
rows = rng.normal(size=(512, 2)).astype("float32")
tf.keras.utils.set_random_seed(0)
line = tf.keras.Sequential([tf.keras.layers.Input((2,), name="rows"), tf.keras.layers.Dense(1)])
line.compile(optimizer=tf.keras.optimizers.Adam(0.05), loss="mse")
history = line.fit(rows, rows @ [[1.0], [2.0]] + 3.0, epochs=20, verbose=0)
print("loss=%f;" % history.history["loss"][-1])
line.export(f"{place}/line/7", verbose=False)

image = tf.keras.layers.Input((16, 16, 3), name="image")
hidden = tf.keras.layers.Conv2D(8, 3, activation="relu")(image)
hidden = tf.keras.layers.GlobalAveragePooling2D()(tf.keras.layers.BatchNormalization()(hidden))
network = tf.keras.Model(image, tf.keras.layers.Dense(3, activation="softmax")(hidden))
os.makedirs(f"{place}/keras", exist_ok=True)
network.save(f"{place}/keras/network.h5")
network.export(f"{place}/network/1", verbose=False)
"""
SCRIPT = """
import json, requests

def handler(data, context):
    asked = {"instances": [float(data.read())]}
    answer = requests.post(context.rest_uri, data=json.dumps(asked)).json()
    return json.dumps({"half": answer["predictions"][0], "model": context.model_name}), "application/json"
"""
HANDLERS = """
import json

def input_handler(data, context):
    assert context.request_content_type == "text/x-words", context
    return json.dumps({"signature_name": "upper", "instances": data.read().decode().split()})

def output_handler(answer, context):
    return " ".join(answer.json()["predictions"]), "text/plain"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(prewarm="") as started:
        yield started


@pytest.fixture(scope="module")
def store(server: Server) -> str:
    return bucket(server, "tensorflow")


@pytest.fixture(scope="module")
def trained(server: Server, store: str) -> dict[str, bytes]:
    """The files of what a training job in script mode has left."""
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    s3.put_object(Bucket=store, Key="trained/sourcedir.tar.gz", Body=archive({"train.py": TRAIN}))
    sagemaker.create_training_job(**script_job("trained", store, TRAINING))
    job = wait_for_job(sagemaker, "trained", PATIENCE)
    lines = log_lines(server, "/aws/sagemaker/TrainingJobs", "trained/")
    assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), lines)
    assert any(line.startswith("tensorflow 2.19.") for line in lines), lines
    made, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    with tarfile.open(fileobj=io.BytesIO(s3.get_object(Bucket=made, Key=key)["Body"].read())) as tar:
        return {name.name: tar.extractfile(name).read() for name in tar.getmembers() if name.isfile()}  # type: ignore[union-attr]


def put(server: Server, store: str, key: str, trained: dict[str, bytes], *prefixes: str, **files: str) -> str:
    """An archive of some of what was trained."""
    chosen: dict[str, str | bytes] = {name: content for name, content in trained.items() if name.startswith(prefixes)}
    assert chosen, (prefixes, sorted(trained))
    chosen |= {name.replace("__", "/") + ".py": content for name, content in files.items()}
    server.client("s3").put_object(Bucket=store, Key=key, Body=archive(chosen))
    return f"s3://{store}/{key}"


def deploy(server: Server, name: str, **container: Any) -> str:
    sagemaker = server.client("sagemaker")
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": INFERENCE, **container})
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    found = wait(lambda: sagemaker.describe_endpoint(EndpointName=name), "EndpointStatus", {"InService", "Failed"}, PATIENCE)
    assert found["EndpointStatus"] == "InService", found
    return name


def ask(server: Server, endpoint: str, body: Any, content_type: str = "application/json", **more: Any) -> Any:
    data = body if isinstance(body, (bytes, str)) else json.dumps(body)
    runtime = server.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=data, ContentType=content_type, **more)
    text = answer["Body"].read().decode()
    return json.loads(text) if answer["ContentType"] == "application/json" else text


def test_several_models_in_every_form(server: Server, store: str, trained: dict[str, bytes]) -> None:
    """K02: TensorFlow Serving's forms, tfs-model-name, versions, and errors after which it goes on."""
    url = put(server, store, "all.tar.gz", trained, "half", "line")
    name = deploy(server, "all", ModelDataUrl=url, Environment={"SAGEMAKER_TFS_DEFAULT_MODEL_NAME": "half"})
    assert ask(server, name, {"instances": [1.0, 2.0]}) == {"predictions": [2.5, 3.0]}
    assert ask(server, name, "1.0\n2.0\n", "text/csv") == {"predictions": [2.5, 3.0]}
    upper = {"signature_name": "upper", "instances": ["abc", {"b64": "ZGVm"}]}
    assert ask(server, name, upper) == {"predictions": ["ABC", "DEF"]}
    line = {"CustomAttributes": "tfs-model-name=line,tfs-model-version=7"}
    for body, kind in (
        ({"instances": [[1, 2], [0, 0]]}, "application/json"),
        ([[1, 2], [0, 0]], "application/json"),
        ("1,2\n0,0\n", "text/csv"),
        ("[1, 2]\n[0, 0]\n", "application/jsonlines"),
    ):
        found = ask(server, name, body, kind, **line)["predictions"]
        assert [round(row[0]) for row in found] == [8, 3], found
    for body, attributes, words in (
        ({"instances": [[1, 2, 3]]}, line, "ModelError"),
        ({"instances": [1]}, {"CustomAttributes": "tfs-model-name=none"}, "Servable not found"),
        ("x", line, "is not application/json"),
    ):
        with pytest.raises(botocore.exceptions.ClientError, match=words) as caught:
            ask(server, name, body, **attributes)
        assert caught.value.response["Error"]["Code"] == "ModelError"
    assert ask(server, name, {"instances": [4.0]}) == {"predictions": [4.0]}
    said = log_lines(server, f"/aws/sagemaker/Endpoints/{name}", "AllTraffic/")
    assert not any("tag names" in text for text in said), said


def test_scripts_before_and_behind_the_model(server: Server, store: str, trained: dict[str, bytes]) -> None:
    """K02: input_handler and output_handler; handler, which asks context.rest_uri."""
    url = put(server, store, "handlers.tar.gz", trained, "half", code__inference=HANDLERS)
    name = deploy(server, "handlers", ModelDataUrl=url)
    assert ask(server, name, "ab cd", "text/x-words") == "AB CD"
    url = put(server, store, "handler.tar.gz", trained, "half", code__inference=SCRIPT)
    name = deploy(server, "handler", ModelDataUrl=url)
    assert ask(server, name, "5", "text/plain") == {"half": 4.5, "model": "half"}


def test_many_models(server: Server, store: str, trained: dict[str, bytes]) -> None:
    """K06: a multi-model endpoint; each archive may bring a script."""
    put(server, store, "many/half.tar.gz", trained, "half")
    put(server, store, "many/line.tar.gz", trained, "line")
    put(server, store, "many/words.tar.gz", trained, "half", code__inference=HANDLERS)
    name = deploy(server, "many", ModelDataUrl=f"s3://{store}/many/", Mode="MultiModel")
    assert ask(server, name, {"instances": [1.0]}, TargetModel="half.tar.gz") == {"predictions": [2.5]}
    assert round(ask(server, name, [[1.0, 2.0]], TargetModel="line.tar.gz")["predictions"][0][0]) == 8
    assert ask(server, name, "ab", "text/x-words", TargetModel="words.tar.gz") == "AB"
    assert ask(server, name, {"instances": [1.0]}, TargetModel="half.tar.gz") == {"predictions": [2.5]}


@pytest.mark.parametrize(
    ("framework", "files", "shapes"),
    [("TENSORFLOW", "network", [1, 16, 16, 3]), ("KERAS", "keras", [1, 3, 16, 16])],
)
def test_compiled_models_answer_the_same(
    server: Server, store: str, trained: dict[str, bytes], framework: str, files: str, shapes: list[int]
) -> None:
    """L01, L02: what Neo makes of a SavedModel and of a Keras file, on the image that Describe names."""
    sagemaker, name = server.client("sagemaker"), framework.lower()
    url = put(server, store, f"{name}.tar.gz", trained, files)
    given = json.dumps({"image": shapes})
    sagemaker.create_compilation_job(
        CompilationJobName=name,
        RoleArn=ROLE,
        InputConfig={"S3Uri": url, "Framework": framework, "DataInputConfig": given},
        OutputConfig={"S3OutputLocation": f"s3://{store}/out/", "TargetDevice": "ml_c5"},
        StoppingCondition={"MaxRuntimeInSeconds": 300},
    )
    ended = {"COMPLETED", "FAILED", "STOPPED"}
    job = wait(lambda: sagemaker.describe_compilation_job(CompilationJobName=name), "CompilationJobStatus", ended, PATIENCE)
    assert job["CompilationJobStatus"] == "COMPLETED", job["FailureReason"]
    assert "/sagemaker-inference-tensorflow:" in job["InferenceImage"]
    compiled = deploy(
        server, f"{name}-compiled", Image=job["InferenceImage"], ModelDataUrl=job["ModelArtifacts"]["S3ModelArtifacts"]
    )
    plain = deploy(server, f"{name}-plain", ModelDataUrl=put(server, store, f"{name}-plain.tar.gz", trained, "network"))
    picture = {"instances": [[[[row / 16, column / 16, 0.5] for column in range(16)] for row in range(16)]]}
    found = [ask(server, endpoint, picture)["predictions"][0] for endpoint in (compiled, plain)]
    assert found[0] == pytest.approx(found[1], abs=1e-4)
