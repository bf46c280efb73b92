"""SageMaker SDK v2: SparkMLModel on a bundle of MLeap, alone and before XGBoost in a PipelineModel."""

import io
import json
import tarfile

import numpy as np
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.pipeline import PipelineModel
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer
from sagemaker.sparkml.model import SparkMLModel

session = sagemaker.Session()
role = sagemaker.get_execution_role()


def strings(*values):
    return {"type": "list", "string": list(values)}


def node(name, inputs, outputs):
    ports = [[{"port": port, "name": column} for port, column in side.items()] for side in (inputs, outputs)]
    return {"name": name, "shape": {"inputs": ports[0], "outputs": ports[1]}}


files = {
    "bundle.json": {"uid": "u", "name": "pipeline", "format": "json", "version": "0.16.0"},
    "root/model.json": {"op": "pipeline", "attributes": {"nodes": strings("index", "encode", "assemble")}},
    "root/node.json": node("pipeline", {}, {}),
    "root/index.node/model.json": {"op": "string_indexer", "attributes": {"labels": strings("red", "blue")}},
    "root/index.node/node.json": node("index", {"input": "color"}, {"output": "place"}),
    "root/encode.node/model.json": {
        "op": "one_hot_encoder",
        "attributes": {"category_sizes": {"type": "list", "int": [2]}, "handle_invalid": {"string": "error"}, "drop_last": {}},
    },
    "root/encode.node/node.json": node("encode", {"input0": "place"}, {"output0": "colors"}),
    "root/assemble.node/model.json": {"op": "vector_assembler", "attributes": {}},
    "root/assemble.node/node.json": node("assemble", {"input0": "colors", "input1": "size"}, {"output": "features"}),
}
with tarfile.open("model.tar.gz", "w:gz") as archive:
    for name, document in files.items():
        content = json.dumps(document).encode()
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
data = session.upload_data("model.tar.gz", key_prefix="sdk2-sparkml")
schema = {
    "input": [{"name": "color", "type": "string"}, {"name": "size", "type": "double"}],
    "output": {"name": "features", "type": "double", "struct": "vector"},
}
spark = SparkMLModel(
    model_data=data,
    role=role,
    spark_version="3.3",
    sagemaker_session=session,
    env={"SAGEMAKER_SPARKML_SCHEMA": json.dumps(schema)},
)
predictor = spark.deploy(1, "ml.m5.large", endpoint_name="sdk2-sparkml")
assert predictor.predict("blue,2.5") == b"0.0,1.0,2.5", predictor.predict("blue,2.5")
predictor.delete_model()
predictor.delete_endpoint()

rng = np.random.default_rng(0)
blue, size = rng.integers(0, 2, 400), rng.uniform(0, 4, 400)
np.savetxt("train.csv", np.column_stack([np.where(blue, size, -size), 1 - blue, blue, size]), delimiter=",")
estimator = Estimator(
    sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"),
    role,
    1,
    "ml.m5.large",
    hyperparameters={"objective": "reg:squarederror", "num_round": 30},
)
estimator.fit(
    {"train": TrainingInput(session.upload_data("train.csv", key_prefix="sdk2-sparkml/train"), content_type="text/csv")}
)
both = PipelineModel([spark, estimator.create_model()], role, name="sdk2-sparkml-pipeline", sagemaker_session=session)
both.deploy(1, "ml.m5.large", endpoint_name="sdk2-sparkml-pipeline")
predictor = Predictor("sdk2-sparkml-pipeline", session, serializer=CSVSerializer(), deserializer=CSVDeserializer())
for row, wanted in (("blue,3.0", 3.0), ("red,2.0", -2.0)):
    assert abs(float(predictor.predict(row)[0][0]) - wanted) < 0.3, (row, predictor.predict(row))
predictor.delete_endpoint()
both.delete_model()
print("sdk2 sparkml: done")
