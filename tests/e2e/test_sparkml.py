"""What Spark ML has learned, as a bundle on SageMaker's SparkML image, answers as Spark itself (B07, K02).

MLeap is on no registry for Python: the Spark program writes the bundle, by the format's description.
"""

from __future__ import annotations

import json
from typing import Any

import botocore.exceptions
import pytest
from support.jobs import archive, bucket, log_lines, processing_job, wait_for_endpoint, wait_for_processing
from support.server import ROLE, Server

SPARKML = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-sparkml-serving:3.3"
SPARK = "173754725891.dkr.ecr.us-east-1.amazonaws.com/sagemaker-spark-processing:3.5-cpu-py39-v1"
INPUTS = [{"name": "color", "type": "string"}, {"name": "size", "type": "double"}]


def deploy(server: Server, name: str, store: str, content: bytes, output: dict[str, Any]) -> dict[str, Any]:
    server.client("s3").put_object(Bucket=store, Key=f"{name}.tar.gz", Body=content)
    schema = json.dumps({"input": INPUTS, "output": output})
    sagemaker = server.client("sagemaker")
    container = {
        "Image": SPARKML,
        "ModelDataUrl": f"s3://{store}/{name}.tar.gz",
        "Environment": {"SAGEMAKER_SPARKML_SCHEMA": schema},
    }
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    return wait_for_endpoint(sagemaker, name)


def ask(server: Server, endpoint: str, body: Any, content_type: str, accept: str) -> str:
    runtime = server.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=body, ContentType=content_type, Accept=accept)
    assert answer["ContentType"] == accept.partition(";")[0]
    return str(answer["Body"].read().decode())


def bundle(op: str) -> bytes:
    """A pipeline of one stage from ``color``."""
    files = {
        "bundle.json": {"uid": "u", "name": "b", "format": "json", "version": "0.16.0"},
        "root/model.json": {"op": "pipeline", "attributes": {"nodes": {"type": "list", "string": ["first"]}}},
        "root/node.json": {"name": "pipeline", "shape": {"inputs": [], "outputs": []}},
        "root/first.node/model.json": {"op": op, "attributes": {"labels": {"type": "list", "string": ["red", "blue"]}}},
        "root/first.node/node.json": {
            "name": "first",
            "shape": {"inputs": [{"port": "input", "name": "color"}], "outputs": [{"port": "output", "name": "place"}]},
        },
    }
    return archive({name: json.dumps(document) for name, document in files.items()})


def test_a_bundle_is_served_and_an_unknown_one_named(server: Server) -> None:
    """K02: schema from the environment or the request, all forms; what cannot be evaluated fails the start with its op."""
    store = bucket(server, "sparkml")
    found = deploy(server, "sparkml", store, bundle("string_indexer"), {"name": "place", "type": "double"})
    assert found["EndpointStatus"] == "InService", found
    assert ask(server, "sparkml", "blue,1\nred,2\n", "text/csv", "text/csv") == "1.0\n0.0"
    own = {"input": INPUTS[:1], "output": {"name": "color", "type": "string"}}
    asked = json.dumps({"schema": own, "data": ["green"]})
    with pytest.raises(botocore.exceptions.ClientError, match="Unseen label: green"):
        ask(server, "sparkml", asked, "application/json", "application/jsonlines")
    asked = json.dumps({"schema": own, "data": ["red"]})
    assert ask(server, "sparkml", asked, "application/json", "application/jsonlines") == "red"
    failed = deploy(server, "sparkml-unknown", store, bundle("word_to_vector"), {"name": "place", "type": "double"})
    assert failed["EndpointStatus"] == "Failed"
    assert 'the stage first has the op "word_to_vector"' in failed["FailureReason"]


PROGRAM = r"""
import base64, json, os, struct
from pyspark.ml import Pipeline
from pyspark.ml.classification import GBTClassifier, LogisticRegression, RandomForestClassifier
from pyspark.ml.feature import OneHotEncoder, StandardScaler, StringIndexer, VectorAssembler
from pyspark.ml.regression import GBTRegressor, LinearRegression, RandomForestRegressor
from pyspark.sql import SparkSession
import random

OUT = "/opt/ml/processing/output"
spark = SparkSession.builder.appName("bundles").getOrCreate()
draw = random.Random(0)
rows = []
for _ in range(400):
    color, size = draw.choice(["red", "blue", "green"]), draw.uniform(-2, 2)
    value = {"red": 1.0, "blue": 2.0, "green": -1.0}[color] * size + draw.gauss(0, 0.1)
    rows.append((color, size, value, float(value > 0.5), float(value > 0) + float(value > 1.5)))
data = spark.createDataFrame(rows, ["color", "size", "value", "yes", "kind"])


def strings(values): return {"type": "list", "string": list(values)}
def doubles(values): return {"type": "list", "double": [float(value) for value in values]}
def tensor(values, dimensions=None):
    values = [float(value) for value in values]
    packed = base64.b64encode(struct.pack(">%dd" % len(values), *values)).decode()
    shape = {"dimensions": [{"size": size, "name": ""} for size in dimensions or [len(values)]]}
    return {"type": "tensor", "base": "double", "shape": shape, "value": packed}


def write(place, name, document):
    os.makedirs(place, exist_ok=True)
    with open(os.path.join(place, name), "w") as file:
        file.write(document if isinstance(document, str) else json.dumps(document))


def lines(node, classifies):
    kind = node.getClass().getSimpleName()
    if kind == "LeafNode":
        values = list(node.impurityStats().stats()) if classifies else [node.prediction()]
        return [json.dumps({"type": "leaf", "values": values})]
    split = node.split()
    about = {"featureIndex": split.featureIndex()}
    if split.getClass().getSimpleName() == "CategoricalSplit":
        about.update(type="categorical", categories=list(split.leftCategories()), isLeft=True, numCategories=0)
    else:
        about.update(type="continuous", threshold=split.threshold())
    inner = json.dumps({"type": "internal", "split": about})
    return [inner, *lines(node.leftChild(), classifies), *lines(node.rightChild(), classifies)]


def trees(place, model, classifies):
    names = []
    for number, tree in enumerate(model.trees):
        names.append("tree%d" % number)
        op = "decision_tree_classifier" if classifies else "decision_tree_regression"
        write(os.path.join(place, names[-1]), "model.json", {"op": op, "attributes": {}})
        write(os.path.join(place, names[-1]), "tree.json", "\n".join(lines(tree._java_obj.rootNode(), classifies)) + "\n")
    return {"trees": strings(names), "tree_weights": doubles(model.treeWeights), "num_classes": {"long": 2}}


def stage(place, number, op, attributes, inputs, outputs):
    name = "stage_%d" % number
    folder = os.path.join(place, "root", name + ".node")
    sockets = lambda ports: [{"port": port, "name": column} for port, column in ports]
    write(folder, "model.json", {"op": op, "attributes": attributes(folder) if callable(attributes) else attributes})
    write(folder, "node.json", {"name": name, "shape": {"inputs": sockets(inputs), "outputs": sockets(outputs)}})
    return name


LAST = {
    "LinearRegressionModel": ("linear_regression", lambda model: {"coefficients": tensor(model.coefficients), "intercept": {"double": model.intercept}}),
    "RandomForestRegressionModel": ("random_forest_regression", lambda model: lambda folder: trees(folder, model, False)),
    "GBTRegressionModel": ("gbt_regression", lambda model: lambda folder: trees(folder, model, False)),
    "RandomForestClassificationModel": ("random_forest_classifier", lambda model: lambda folder: trees(folder, model, True)),
    "GBTClassificationModel": ("gbt_classifier", lambda model: lambda folder: trees(folder, model, False)),
    "LogisticRegressionModel": ("logistic_regression", lambda model: logistic(model)),
}


def logistic(model):
    if model.numClasses == 2:
        return {"num_classes": {"long": 2}, "coefficients": tensor(model.coefficients), "intercept": {"double": model.intercept}, "threshold": {"double": model.getThreshold()}}
    matrix = model.coefficientMatrix
    values = matrix.toArray().ravel(order="F")
    return {"num_classes": {"long": model.numClasses}, "coefficient_matrix": tensor(values, [matrix.numRows, matrix.numCols]), "intercept_vector": tensor(model.interceptVector)}


FEATURES = [
    StringIndexer(inputCol="color", outputCol="color_i"),
    OneHotEncoder(inputCols=["color_i"], outputCols=["color_v"]),
    VectorAssembler(inputCols=["color_v", "size", "color_i"], outputCol="raw"),
    StandardScaler(inputCol="raw", outputCol="features", withMean=True, withStd=True),
]
LEARNERS = {
    "linear": LinearRegression(labelCol="value"),
    "forest": RandomForestRegressor(labelCol="value", numTrees=5, seed=1),
    "boosted": GBTRegressor(labelCol="value", maxIter=5, seed=1),
    "forests": RandomForestClassifier(labelCol="kind", numTrees=5, seed=1),
    "boosts": GBTClassifier(labelCol="yes", maxIter=5, seed=1),
    "logistic": LogisticRegression(labelCol="yes", regParam=0.01),
    "multinomial": LogisticRegression(labelCol="kind", regParam=0.01),
}
fitted = Pipeline(stages=FEATURES).fit(data)
features = fitted.transform(data)
indexer, encoder, _, scaler = fitted.stages
for name, learner in LEARNERS.items():
    place = os.path.join(OUT, name)
    model = learner.fit(features)
    op, attributes = LAST[type(model).__name__]
    outputs = [("prediction", "prediction")] + ([("probability", "probability")] if hasattr(model, "numClasses") else [])
    nodes = [
        stage(place, 0, "string_indexer", {"labels": strings(indexer.labels), "handle_invalid": {"string": "error"}}, [("input", "color")], [("output", "color_i")]),
        stage(place, 1, "one_hot_encoder", {"category_sizes": {"type": "list", "int": list(encoder.categorySizes)}, "handle_invalid": {"string": "error"}, "drop_last": {"boolean": True}}, [("input0", "color_i")], [("output0", "color_v")]),
        stage(place, 2, "vector_assembler", {}, [("input0", "color_v"), ("input1", "size"), ("input2", "color_i")], [("output", "raw")]),
        stage(place, 3, "standard_scaler", {"mean": tensor(scaler.mean), "std": tensor(scaler.std)}, [("input", "raw")], [("output", "features")]),
        stage(place, 4, op, attributes(model), [("features", "features")], outputs),
    ]
    write(os.path.join(place, "root"), "model.json", {"op": "pipeline", "attributes": {"nodes": strings(nodes)}})
    write(os.path.join(place, "root"), "node.json", {"name": "pipeline", "shape": {"inputs": [], "outputs": []}})
    write(place, "bundle.json", {"uid": "u", "name": name, "format": "json", "version": "0.16.0"})
    answers = model.transform(features).limit(60).collect()
    found = [[row["color"], row["size"], row["prediction"], list(row["probability"]) if len(outputs) > 1 else []] for row in answers]
    write(place, "answers.json", found)
print("wrote", sorted(LEARNERS), flush=True)
spark.stop()
"""


@pytest.mark.slow
def test_it_answers_as_spark_does(server: Server) -> None:
    """Every learner behind indexer, encoder, assembler and scaler, fitted by Spark in a processing job."""
    store, s3 = bucket(server, "sparkml-fitted"), server.client("s3")
    s3.put_object(Bucket=store, Key="fit/code/x.py", Body=PROGRAM)
    request = processing_job("fit", store, "x.py")
    request["AppSpecification"] = {
        "ImageUri": SPARK,
        "ContainerEntrypoint": ["smspark-submit", "/opt/ml/processing/input/code/x.py"],
    }
    server.client("sagemaker").create_processing_job(**request)
    job = wait_for_processing(server.client("sagemaker"), "fit", 600.0)
    lines = log_lines(server, "/aws/sagemaker/ProcessingJobs", "fit/")
    assert job["ProcessingJobStatus"] == "Completed", (job, lines[-30:])
    objects = s3.list_objects_v2(Bucket=store, Prefix="fit/out/")["Contents"]
    files = {
        item["Key"].removeprefix("fit/out/"): s3.get_object(Bucket=store, Key=item["Key"])["Body"].read() for item in objects
    }
    names = sorted({name.partition("/")[0] for name in files})
    assert len(names) == 7, names
    for name in names:
        own = {path.partition("/")[2]: content for path, content in files.items() if path.startswith(f"{name}/")}
        answers = json.loads(own["answers.json"])
        found = deploy(server, f"sparkml-{name}", store, archive(dict(own)), {"name": "prediction", "type": "double"})
        assert found["EndpointStatus"] == "InService", found
        body = "\n".join(f"{color},{size!r}" for color, size, _, _ in answers)
        predicted = [float(line) for line in ask(server, f"sparkml-{name}", body, "text/csv", "text/csv").splitlines()]
        assert predicted == pytest.approx([answer[2] for answer in answers], abs=1e-9), name
        if answers[0][3]:
            schema = {"input": INPUTS, "output": {"name": "probability", "type": "double", "struct": "vector"}}
            for color, size, _, wanted in answers[:5]:
                asked = json.dumps({"schema": schema, "data": [color, size]})
                line = ask(server, f"sparkml-{name}", asked, "application/json", "application/jsonlines")
                assert json.loads(line)["features"] == pytest.approx(wanted, abs=1e-9), name
