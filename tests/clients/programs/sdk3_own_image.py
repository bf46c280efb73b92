"""SageMaker SDK v3: an image of one's own, pushed to ECR before: as it is, and with a script of one's own."""

import io
import os
import tarfile

import boto3
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode

session = Session()
role = get_execution_role(session)
bucket, region = session.default_bucket(), session.boto_region_name
account = boto3.client("sts").get_caller_identity()["Account"]
image = f"{account}.dkr.ecr.{region}.amazonaws.com/client/mean:latest"
compute = Compute(instance_type="ml.m5.large", instance_count=1)
with open("rows.csv", "w") as file:
    file.write("2\n4\n6\n")
data = session.upload_data("rows.csv", bucket, "sdk3-own/train")

trainer = ModelTrainer(
    training_image=image,
    base_job_name="sdk3-own",
    compute=compute,
    role=role,
    sagemaker_session=session,
    hyperparameters={"factor": 3},
)
trainer.train(input_data_config=[InputData(channel_name="train", data_source=data)], wait=True, logs=True)
job = trainer._latest_training_job
job.refresh()
assert job.training_job_status == "Completed"

container = ContainerDefinition(image=image, model_data_url=job.model_artifacts.s3_model_artifacts)
model = Model.create(model_name="sdk3-own", primary_container=container, execution_role_arn=role)
variant = ProductionVariant(variant_name="v", model_name="sdk3-own", initial_instance_count=1, instance_type="ml.m5.large")
config = EndpointConfig.create(endpoint_config_name="sdk3-own", production_variants=[variant])
endpoint = Endpoint.create(endpoint_name="sdk3-own", endpoint_config_name="sdk3-own")
endpoint.wait_for_status("InService")
answer = endpoint.invoke(body="20", content_type="text/csv").body.read()
assert b'"difference": 8.0' in answer, answer

# The SDK's own drivers in that image, as its user.
os.makedirs("source", exist_ok=True)
with open("source/program.py", "w") as file:
    file.write(
        "import os; open(os.environ['SM_MODEL_DIR'] + '/user', 'w').write(str(os.getuid())); print('as user', os.getuid())"
    )
scripted = ModelTrainer(
    training_image=image,
    base_job_name="sdk3-own-script",
    source_code=SourceCode(source_dir="source", entry_script="program.py"),
    compute=compute,
    role=role,
    sagemaker_session=session,
)
scripted.train(wait=True, logs=True)
done = scripted._latest_training_job
done.refresh()
key = done.model_artifacts.s3_model_artifacts.removeprefix(f"s3://{bucket}/")
archive = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
    assert tar.extractfile("user").read() == b"1234", tar.getnames()

endpoint.delete()
endpoint.wait_for_delete()
config.delete()
model.delete()
print("sdk3 own image: done")
