"""SageMaker SDK v2: SKLearnProcessor, ScriptProcessor on two instances, FrameworkProcessor with a folder of code; logs, attach, failure."""

import json
import os

import boto3
import numpy as np
import sagemaker
from sagemaker.network import NetworkConfig
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingJob, ProcessingOutput, ScriptProcessor
from sagemaker.sklearn import SKLearn
from sagemaker.sklearn.processing import SKLearnProcessor

session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
np.savetxt("rows.csv", np.arange(200).reshape(100, 2), delimiter=",", fmt="%d")

with open("split.py", "w") as file:
    file.write(
        """
import argparse, os
import numpy as np
from sklearn.model_selection import train_test_split
parser = argparse.ArgumentParser()
parser.add_argument("--test-size", type=float)
share = parser.parse_args().test_size
rows = np.loadtxt("/opt/ml/processing/input/rows.csv", delimiter=",")
train, test = train_test_split(rows, test_size=share, random_state=0)
np.savetxt("/opt/ml/processing/train/train.csv", train, delimiter=",")
np.savetxt("/opt/ml/processing/test/test.csv", test, delimiter=",")
print("split", len(train), len(test), os.environ["WORD"])
"""
    )
processor = SKLearnProcessor(
    framework_version="1.2-1", role=role, instance_type="ml.m5.xlarge", instance_count=1, env={"WORD": "said"}
)
processor.run(
    code="split.py",
    inputs=[ProcessingInput(source="rows.csv", destination="/opt/ml/processing/input")],
    outputs=[
        ProcessingOutput(output_name="train", source="/opt/ml/processing/train"),
        ProcessingOutput(
            output_name="test", source="/opt/ml/processing/test", destination=f"s3://{bucket}/sdk2-processing/test"
        ),
    ],
    arguments=["--test-size", "0.2"],
)
described = processor.jobs[-1].describe()
outputs = {output["OutputName"]: output["S3Output"]["S3Uri"] for output in described["ProcessingOutputConfig"]["Outputs"]}
assert outputs["test"] == f"s3://{bucket}/sdk2-processing/test"
assert len(session.read_s3_file(bucket, "sdk2-processing/test/test.csv").splitlines()) == 20
assert session.read_s3_file(bucket, outputs["train"].removeprefix(f"s3://{bucket}/") + "/train.csv").count("\n") == 80
again = ProcessingJob.from_processing_name(session, processor.jobs[-1].job_name)
assert [output.output_name for output in again.outputs] == ["train", "test"]

# Two instances, each with its share of the objects, in a network of their own.
for name in ("a", "b", "c", "d"):
    boto3.client("s3").put_object(Bucket=bucket, Key=f"sdk2-processing/parts/{name}", Body=name.encode())
with open("share.py", "w") as file:
    file.write(
        """
import json, os
place = json.load(open("/opt/ml/config/resourceconfig.json"))
names = sorted(os.listdir("/opt/ml/processing/parts"))
with open("/opt/ml/processing/shares/" + place["current_host"], "w") as file:
    json.dump(names, file)
print(place["current_host"], "has", len(names), "of", place["hosts"], flush=True)
"""
    )
pair = ScriptProcessor(
    image_uri=sagemaker.image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1", instance_type="ml.m5.xlarge"),
    command=["python3"],
    role=role,
    instance_type="ml.m5.xlarge",
    instance_count=2,
    network_config=NetworkConfig(enable_network_isolation=True),
)
pair.run(
    code="share.py",
    inputs=[
        ProcessingInput(
            source=f"s3://{bucket}/sdk2-processing/parts/",
            destination="/opt/ml/processing/parts",
            s3_data_distribution_type="ShardedByS3Key",
        )
    ],
    outputs=[ProcessingOutput(source="/opt/ml/processing/shares", destination=f"s3://{bucket}/sdk2-processing/shares")],
)
shares = [json.loads(session.read_s3_file(bucket, f"sdk2-processing/shares/algo-{number}")) for number in (1, 2)]
assert sorted(shares[0] + shares[1]) == ["a", "b", "c", "d"], shares

# A folder of code, started by the SDK's own runproc.sh.
os.makedirs("source", exist_ok=True)
with open("source/helper.py", "w") as file:
    file.write("WORD = 'helped'\n")
with open("source/main.py", "w") as file:
    file.write(
        """
import sys
from helper import WORD
with open("/opt/ml/processing/output/word", "w") as file:
    file.write(WORD + " " + sys.argv[1])
"""
    )
framework = FrameworkProcessor(
    estimator_cls=SKLearn, framework_version="1.2-1", role=role, instance_type="ml.m5.xlarge", instance_count=1
)
framework.run(
    code="main.py",
    source_dir="source",
    outputs=[ProcessingOutput(source="/opt/ml/processing/output", destination=f"s3://{bucket}/sdk2-processing/word")],
    arguments=["me"],
    logs=False,
)
assert session.read_s3_file(bucket, "sdk2-processing/word/word") == "helped me"

# One that fails says why.
with open("fails.py", "w") as file:
    file.write("raise SystemExit('the rows are of the wrong colour')\n")
processor.run(code="fails.py", wait=False)
try:
    processor.jobs[-1].wait(logs=False)
except sagemaker.exceptions.UnexpectedStatusException as error:
    print(error)
assert processor.jobs[-1].describe()["ProcessingJobStatus"] == "Failed"
processor.run(code="split.py", wait=False)
processor.jobs[-1].stop()
processor.jobs[-1].wait(logs=False)
print("sdk2 processing: done")
