"""SageMaker SDK v3, Inference Recommender: ModelBuilder.right_size, a default and an advanced job, deployed as recommended."""

import io
import tarfile

import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.inference_recommender.inference_recommender_mixin import ModelLatencyThreshold, Phase
from sagemaker.core.parameter import CategoricalParameter
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData

session = Session()
role = get_execution_role(session)
rows = np.random.default_rng(0).uniform(0, 10, (200, 3))
rows[:, 0] = rows[:, 1]
np.savetxt("train.csv", rows, delimiter=",", fmt="%.5g")
image = image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1")
trainer = ModelTrainer(
    training_image=image,
    hyperparameters={"num_round": 5},
    base_job_name="sdk3-right-size",
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    role=role,
    sagemaker_session=session,
)
train = session.upload_data("train.csv", session.default_bucket(), "sdk3-right-size")
trainer.train([InputData(channel_name="train", data_source=train, content_type="text/csv")], wait=True, logs=False)
data = trainer._latest_training_job.refresh().model_artifacts.s3_model_artifacts

with tarfile.open("payload.tar.gz", "w:gz") as archive:
    member = tarfile.TarInfo("rows.csv")
    member.size = len(b"1,2\n3,4\n")
    archive.addfile(member, io.BytesIO(b"1,2\n3,4\n"))
payload = session.upload_data("payload.tar.gz", session.default_bucket(), "sdk3-right-size")
builder = ModelBuilder(
    image_uri=image, s3_model_data_url=data, role_arn=role, instance_type="ml.m5.large", sagemaker_session=session
)
model = builder.build(model_name="sdk3-sized")
builder.right_size(
    sample_payload_url=payload,
    supported_content_types=["text/csv"],
    supported_instance_types=["ml.c5.large"],
    framework="XGBOOST",
    job_name="sdk3-sized",
    log_level="Quiet",
)
best = builder.inference_recommendations[0]
assert best["EndpointConfiguration"]["InstanceType"] == "ml.c5.large"
assert best["Metrics"]["MaxInvocations"] > 0
endpoint = builder.deploy(endpoint_name="sdk3-sized", inference_recommendation_id=best["RecommendationId"])
answer = endpoint.invoke(body="1,2", content_type="text/csv", accept="text/csv")
assert 0 <= float(answer.body.read().decode()) <= 10
endpoint.delete()
endpoint.wait_for_delete()

builder.right_size(
    sample_payload_url=payload,
    supported_content_types=["text/csv"],
    framework="XGBOOST",
    job_duration_in_seconds=600,
    hyperparameter_ranges=[
        {"instance_types": CategoricalParameter(["ml.c5.large"]), "OMP_NUM_THREADS": CategoricalParameter(["1", "2"])}
    ],
    phases=[Phase(duration_in_seconds=3, initial_number_of_users=2, spawn_rate=0)],
    traffic_type="PHASES",
    max_invocations=10_000_000,
    model_latency_thresholds=[ModelLatencyThreshold(percentile="P95", value_in_milliseconds=500)],
    max_tests=2,
    max_parallel_tests=1,
)
assert len(builder.inference_recommendations) == 2
model.delete()
print("sdk3 right size: done")
