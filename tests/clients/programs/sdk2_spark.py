"""SageMaker SDK v2: PySparkProcessor on one instance and on two, with modules, a configuration and event logs."""

import sagemaker
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.spark.processing import PySparkProcessor

session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
with open("rows.csv", "w") as file:
    file.write("x\n" + "\n".join(map(str, range(1000))))
rows = session.upload_data("rows.csv", key_prefix="sdk2-spark/rows")
with open("ours.py", "w") as file:
    file.write("WORD = 'imported'\n")
with open("application.py", "w") as file:
    file.write(
        """
import sys
from pyspark.sql import SparkSession
import ours
spark = SparkSession.builder.getOrCreate()
rows = spark.read.csv("file:///opt/ml/processing/input/rows", header=True, inferSchema=True)
total = rows.groupBy().sum("x").collect()[0][0]
print("total", total, ours.WORD, spark.conf.get("spark.sql.shuffle.partitions"), flush=True)
with open("/opt/ml/processing/output/total", "w") as file:
    file.write(str(total * int(sys.argv[1])))
"""
    )
for count in (1, 2):
    processor = PySparkProcessor(
        base_job_name="sdk2-spark", framework_version="3.5", role=role, instance_count=count, instance_type="ml.m5.xlarge"
    )
    processor.run(
        submit_app="application.py",
        submit_py_files=["ours.py"],
        arguments=["2"],
        inputs=[ProcessingInput(source=rows, destination="/opt/ml/processing/input/rows")],
        outputs=[ProcessingOutput(source="/opt/ml/processing/output", destination=f"s3://{bucket}/sdk2-spark/out-{count}")],
        configuration=[{"Classification": "spark-defaults", "Properties": {"spark.sql.shuffle.partitions": "3"}}],
        spark_event_logs_s3_uri=f"s3://{bucket}/sdk2-spark/logs-{count}",
    )
    assert session.read_s3_file(bucket, f"sdk2-spark/out-{count}/total") == "999000"
    assert session.list_s3_files(bucket, f"sdk2-spark/logs-{count}/")
print("sdk2 spark: done")
