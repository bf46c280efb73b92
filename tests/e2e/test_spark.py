"""B07, C01: the image of PySparkProcessor in the environment of its own that its first job builds; alone and on two instances.

Needs a network, or a cache of uv's that holds the pins (UV_CACHE_DIR), and a Java.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.jobs import bucket, log_lines, processing_job, wait_for_processing
from support.server import Server, eventually

pytestmark = pytest.mark.slow
SPARK = "173754725891.dkr.ecr.us-east-1.amazonaws.com/sagemaker-spark-processing:3.5-cpu-py39-v1"
PATIENCE = 600.0
# Without a wait for the host that holds the shuffled rows: otherwise that one alone may be quick enough for all of them.
PROPERTIES = {"spark.sql.shuffle.partitions": "3", "spark.locality.wait": "0s"}

PROGRAM = """
import sys
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
import ours

spark = SparkSession.builder.appName("count").getOrCreate()
rows = spark.read.csv("file:///opt/ml/processing/input/rows", header=True, inferSchema=True)

@F.udf("string")
def host(_):
    import socket
    return socket.gethostname()

spread = rows.repartition(8).withColumn("host", host("x"))
found = sorted(row["host"] for row in spread.select("host").distinct().collect())
print("hosts", found, ours.WORD, spark.conf.get("spark.sql.shuffle.partitions"), flush=True)
total = rows.groupBy().sum("x").toPandas().iloc[0, 0]
with open("/opt/ml/processing/output/total", "w") as file:
    file.write(str(int(total)))
if "fail" in sys.argv:
    raise SystemExit(3)
spark.stop()
"""


@pytest.fixture(scope="module")
def store(server: Server) -> str:
    found = bucket(server, "spark")
    s3 = server.client("s3")
    s3.put_object(Bucket=found, Key="rows/a.csv", Body="x\n" + "\n".join(map(str, range(1000))))
    s3.put_object(Bucket=found, Key="modules/ours.py", Body="WORD = 'imported'\n")
    configuration = [{"Classification": "spark-defaults", "Properties": PROPERTIES}]
    s3.put_object(Bucket=found, Key="conf/configuration.json", Body=json.dumps(configuration))
    return found


def spark_job(server: Server, store: str, name: str, count: int, *arguments: str) -> dict[str, Any]:
    server.client("s3").put_object(Bucket=store, Key=f"{name}/code/x.py", Body=PROGRAM)
    request = processing_job(name, store, "x.py", count)
    for place, key in (("rows", "rows/"), ("py-files", "modules/"), ("conf", "conf/configuration.json")):
        source = {"S3Uri": f"s3://{store}/{key}", "LocalPath": f"/opt/ml/processing/input/{place}", "S3DataType": "S3Prefix"}
        request["ProcessingInputs"].append({"InputName": place, "S3Input": {**source, "S3InputMode": "File"}})
    logs = {"S3Uri": f"s3://{store}/{name}/logs", "LocalPath": "/opt/ml/processing/spark-events", "S3UploadMode": "Continuous"}
    request["ProcessingOutputConfig"]["Outputs"].append({"OutputName": "logs", "S3Output": logs})
    words = ["smspark-submit", "--py-files", "/opt/ml/processing/input/py-files"]
    words += ["--local-spark-event-logs-dir", "/opt/ml/processing/spark-events/", "/opt/ml/processing/input/code/x.py"]
    request["AppSpecification"] = {"ImageUri": SPARK, "ContainerEntrypoint": words}
    if arguments:
        request["AppSpecification"]["ContainerArguments"] = list(arguments)
    request["ProcessingResources"]["ClusterConfig"] |= {"InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 5}
    request["StoppingCondition"] = {"MaxRuntimeInSeconds": int(PATIENCE)}
    server.client("sagemaker").create_processing_job(**request)
    job = wait_for_processing(server.client("sagemaker"), name, PATIENCE)
    eventually(lambda: not list(server.settings.jobs.glob(f"processing-job/*/*/{name}")))
    return job


def lines(server: Server, name: str) -> list[str]:
    return log_lines(server, "/aws/sagemaker/ProcessingJobs", f"{name}/")


@pytest.mark.parametrize("count", [1, 2])
def test_an_application_runs_on_every_instance(server: Server, store: str, count: int) -> None:
    name = f"spark-{count}"
    job = spark_job(server, store, name, count)
    assert job["ProcessingJobStatus"] == "Completed", (job, lines(server, name))
    s3 = server.client("s3")
    assert s3.get_object(Bucket=store, Key=f"{name}/out/total")["Body"].read() == b"499500"
    hosts = [f"algo-{number + 1}" for number in range(count)]
    assert f"hosts {hosts} imported 3" in lines(server, name)
    assert s3.list_objects_v2(Bucket=store, Prefix=f"{name}/logs/")["KeyCount"] >= 1


def test_an_application_that_fails_fails_the_job(server: Server, store: str) -> None:
    job = spark_job(server, store, "spark-fails", 2, "fail")
    assert job["ProcessingJobStatus"] == "Failed"
    assert "on algo-1 failed" in job["FailureReason"], job
