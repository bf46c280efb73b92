"""SageMaker SDK v3: ScriptProcessor and FrameworkProcessor of sagemaker.core; the ProcessingJob resource."""

import os

import boto3
import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.processing import FrameworkProcessor, ScriptProcessor
from sagemaker.core.resources import ProcessingJob
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output

session = Session()
role = get_execution_role(session)
bucket = session.default_bucket()
image = image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1", instance_type="ml.m5.xlarge")
np.savetxt("rows.csv", np.arange(200).reshape(100, 2), delimiter=",", fmt="%d")
rows = session.upload_data("rows.csv", bucket, "sdk3-processing/in")


def output(name: str) -> ProcessingOutput:
    place = ProcessingS3Output(
        s3_uri=f"s3://{bucket}/sdk3-processing/{name}", local_path="/opt/ml/processing/output", s3_upload_mode="EndOfJob"
    )
    return ProcessingOutput(output_name=name, s3_output=place)


with open("means.py", "w") as file:
    file.write(
        """
import sys
import numpy as np
rows = np.loadtxt("/opt/ml/processing/input/data/rows.csv", delimiter=",")
np.savetxt("/opt/ml/processing/output/means.csv", rows.mean(axis=0) * float(sys.argv[1]), delimiter=",")
with open("/opt/ml/output/message", "w") as file:
    file.write("two columns")
print("means of", len(rows), "rows")
"""
    )
processor = ScriptProcessor(
    image_uri=image,
    command=["python3"],
    role=role,
    instance_type="ml.m5.xlarge",
    instance_count=1,
    base_job_name="sdk3-means",
    sagemaker_session=session,
)
source = ProcessingS3Input(
    s3_uri=rows, local_path="/opt/ml/processing/input/data", s3_data_type="S3Prefix", s3_input_mode="File"
)
processor.run(
    code="means.py",
    inputs=[ProcessingInput(input_name="data", s3_input=source)],
    outputs=[output("means")],
    arguments=["2"],
    wait=True,
    logs=True,
)
body = boto3.client("s3").get_object(Bucket=bucket, Key="sdk3-processing/means/means.csv")["Body"].read()
assert [float(line) for line in body.decode().split()] == [198.0, 200.0], body
job = ProcessingJob.get(processing_job_name=processor.latest_job.processing_job_name)
assert (job.processing_job_status, job.exit_message) == ("Completed", "two columns")

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
    image_uri=image,
    command=["python3"],
    role=role,
    instance_type="ml.m5.xlarge",
    instance_count=1,
    base_job_name="sdk3-framework",
    sagemaker_session=session,
)
framework.run(code="main.py", source_dir="source", outputs=[output("word")], arguments=["me"], wait=True, logs=False)
assert boto3.client("s3").get_object(Bucket=bucket, Key="sdk3-processing/word/word")["Body"].read() == b"helped me"
print("sdk3 processing: done")
