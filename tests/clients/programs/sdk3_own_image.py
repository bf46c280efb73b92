"""SageMaker SDK v3: an image of one's own, pushed to ECR before: as it is, and with a command of the request's."""

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

commanded = ModelTrainer(
    training_image=image,
    base_job_name="sdk3-command",
    source_code=SourceCode(command="echo the command ran"),
    compute=compute,
    role=role,
    sagemaker_session=session,
)
try:
    commanded.train(wait=True, logs=False)
except Exception as failure:  # the SDK's own driver needs bash, which this image does not have
    assert "/bin/bash" in str(failure), failure
else:
    raise AssertionError("an image without bash ran the SDK's driver")

endpoint.delete()
endpoint.wait_for_delete()
config.delete()
model.delete()
print("sdk3 own image: done")
