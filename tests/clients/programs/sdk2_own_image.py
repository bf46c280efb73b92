"""SageMaker SDK v2: an image of one's own, pushed to ECR before, trained, deployed, asked."""

import boto3
import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.serializers import CSVSerializer

session = sagemaker.Session()
bucket = session.default_bucket()
(repository,) = boto3.client("ecr").describe_repositories(repositoryNames=["client/mean"])["repositories"]
with open("rows.csv", "w") as file:
    file.write("2\n4\n6\n")
data = session.upload_data("rows.csv", bucket, "sdk2-own/train")

estimator = Estimator(
    image_uri=f"{repository['repositoryUri']}:latest",
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.large",
    output_path=f"s3://{bucket}/sdk2-own/output",
    hyperparameters={"factor": 2},
    sagemaker_session=session,
)
estimator.fit({"train": data}, logs="All")

predictor = estimator.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=JSONDeserializer())
answer = predictor.predict([10])
assert answer["difference"] == 2.0, answer
predictor.delete_model()
predictor.delete_endpoint()
print("sdk2 own image: done")
