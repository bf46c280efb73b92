"""SageMaker SDK v2: an asynchronous endpoint with AsyncPredictor and notifications, a serverless one, their updates."""

import json
import tarfile

import boto3
import sagemaker
from sagemaker.async_inference import AsyncInferenceConfig, WaiterConfig
from sagemaker.deserializers import JSONDeserializer, StringDeserializer
from sagemaker.exceptions import AsyncInferenceModelError
from sagemaker.serializers import JSONSerializer
from sagemaker.serverless import ServerlessInferenceConfig
from sagemaker.sklearn import SKLearnModel

session = sagemaker.Session()
bucket = session.default_bucket()
with open("inference.py", "w") as file:
    file.write(
        """
import json
def model_fn(folder): return 2
def input_fn(body, content_type): return json.loads(body)
def predict_fn(numbers, model): return [model * number for number in numbers]
def output_fn(numbers, accept): return json.dumps(numbers), "application/json"
"""
    )
with open("nothing", "w") as file:
    file.write("no model")
with tarfile.open("model.tar.gz", "w:gz") as archive:
    archive.add("nothing")
data = session.upload_data("model.tar.gz", key_prefix="sdk2-modes")


def model():
    return SKLearnModel(
        model_data=data,
        role=sagemaker.get_execution_role(),
        entry_point="inference.py",
        framework_version="1.2-1",
        sagemaker_session=session,
    )


both = {"serializer": JSONSerializer(), "deserializer": JSONDeserializer()}
sns, sqs = boto3.client("sns"), boto3.client("sqs")
topic = sns.create_topic(Name="sdk2-modes")["TopicArn"]
queue = sqs.create_queue(QueueName="sdk2-modes")["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

config = AsyncInferenceConfig(
    max_concurrent_invocations_per_instance=2, notification_config={"SuccessTopic": topic, "ErrorTopic": topic}
)
predictor = model().deploy(1, "ml.m5.large", async_inference_config=config, **both)
quick = WaiterConfig(max_attempts=120, delay=1)
assert predictor.predict([1, 2, 3], waiter_config=quick) == [2, 4, 6]
response = predictor.predict_async([4])
assert response.get_result(quick) == [8]
predictor.deserializer = StringDeserializer()  # what failed is told in the container's own words
try:
    predictor.predict(7, waiter_config=quick)
except AsyncInferenceModelError as error:
    print("failed as it should:", str(error)[:80])
else:
    raise AssertionError("a wrong input was answered")
told = []
while len(told) < 3:
    for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10, MaxNumberOfMessages=10)["Messages"]:
        told.append(json.loads(json.loads(message["Body"])["Message"])["invocationStatus"])
assert sorted(told) == ["Completed", "Completed", "Failed"], told
predictor.delete_endpoint()

without = model().deploy(
    serverless_inference_config=ServerlessInferenceConfig(memory_size_in_mb=1024, max_concurrency=2), **both
)
assert without.predict([5]) == [10]
shown = session.sagemaker_client.describe_endpoint(EndpointName=without.endpoint_name)["ProductionVariants"][0]
assert shown["CurrentServerlessConfig"] == {"MemorySizeInMB": 1024, "MaxConcurrency": 2}, shown
without.delete_endpoint()
print("sdk2 inference modes: done")
