"""SageMaker SDK v3: compilation, packaging, fleet, devices and a deployment by the resources of sagemaker.core; a heartbeat by boto3."""

import io
import tarfile

import boto3
import joblib
import numpy as np
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import CompilationJob, DeviceFleet, EdgePackagingJob
from sagemaker.core.shapes import EdgeOutputConfig, InputConfig, OutputConfig, StoppingCondition
from sklearn.linear_model import LinearRegression

session = Session()
role = get_execution_role(session)
bucket = session.default_bucket()
rows = np.random.default_rng(0).normal(size=(100, 5))
joblib.dump(LinearRegression().fit(rows, rows.sum(1)), "model.joblib")
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w:gz") as tar:
    tar.add("model.joblib")
session.boto_session.client("s3").put_object(Bucket=bucket, Key="sdk3-edge/model.tar.gz", Body=packed.getvalue())

compilation = CompilationJob.create(
    compilation_job_name="sdk3-edge",
    role_arn=role,
    input_config=InputConfig(
        s3_uri=f"s3://{bucket}/sdk3-edge/model.tar.gz", framework="SKLEARN", data_input_config='{"input": [1, 5]}'
    ),
    output_config=OutputConfig(s3_output_location=f"s3://{bucket}/sdk3-edge/compiled", target_device="rasp4b"),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=300),
)
compilation.wait(poll=1)
package = EdgePackagingJob.create(
    edge_packaging_job_name="sdk3-edge",
    compilation_job_name="sdk3-edge",
    model_name="line",
    model_version="1.0",
    role_arn=role,
    output_config=EdgeOutputConfig(s3_output_location=f"s3://{bucket}/sdk3-edge/packages"),
)
package.wait(poll=1)
assert package.model_artifact == f"s3://{bucket}/sdk3-edge/packages/line-1.0.tar.gz", package.model_artifact
assert len(package.model_signature) == 64

fleet = DeviceFleet.create(
    device_fleet_name="sdk3-edge", output_config=EdgeOutputConfig(s3_output_location=f"s3://{bucket}/sdk3-edge/samples")
)
# Its own register_devices wants the resource Device where the shape of that name is meant.
boto3.client("sagemaker").register_devices(DeviceFleetName="sdk3-edge", Devices=[{"DeviceName": "roof"}])
boto3.client("sagemaker-edge").send_heartbeat(
    DeviceFleetName="sdk3-edge",
    DeviceName="roof",
    AgentVersion="1.0",
    Models=[{"ModelName": "line", "ModelVersion": "1.0"}],
)
assert (
    boto3.client("sagemaker").get_device_fleet_report(DeviceFleetName="sdk3-edge")["DeviceStats"]["ConnectedDeviceCount"] == 1
)
fleet.deregister_devices(device_names=["roof"])
fleet.delete()

print("sdk3 edge: done")
