"""SageMaker SDK v2, Inference Recommender: Model.right_size, deployed as recommended; ModelPackage.right_size, an advanced job."""

import io
import tarfile

import numpy as np
import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inference_recommender.inference_recommender_mixin import ModelLatencyThreshold, Phase
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model
from sagemaker.parameter import CategoricalParameter
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer

session = sagemaker.Session()
role = sagemaker.get_execution_role()
rows = np.random.default_rng(0).uniform(0, 10, (200, 3))
rows[:, 0] = rows[:, 1]
np.savetxt("train.csv", rows, delimiter=",", fmt="%.5g")
data = TrainingInput(session.upload_data("train.csv", key_prefix="sdk2-right-size"), content_type="csv")
image = sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1")
estimator = Estimator(image, role, 1, "ml.m5.large", sagemaker_session=session, hyperparameters={"num_round": 5})
estimator.fit({"train": data}, logs=False)

with tarfile.open("payload.tar.gz", "w:gz") as archive:
    member = tarfile.TarInfo("rows.csv")
    member.size = len(b"1,2\n3,4\n")
    archive.addfile(member, io.BytesIO(b"1,2\n3,4\n"))
payload = session.upload_data("payload.tar.gz", key_prefix="sdk2-right-size")


def new_model():
    return Model(image, estimator.model_data, role, predictor_cls=Predictor, sagemaker_session=session)


def served(model, **how):
    predictor = model.deploy(serializer=CSVSerializer(), deserializer=CSVDeserializer(), **how)
    answer = float(predictor.predict(rows[0, 1:])[0][0])
    predictor.delete_endpoint()
    return answer


# A default job, and the model as it recommends.
model = new_model()
model.right_size(
    sample_payload_url=payload,
    supported_content_types=["text/csv"],
    supported_instance_types=["ml.c5.large"],
    framework="XGBOOST",
    job_name="sized",
    log_level="Quiet",
)
best = model.inference_recommendations[0]
print(best["EndpointConfiguration"]["InstanceType"], best["Metrics"])
assert best["EndpointConfiguration"]["InstanceType"] == "ml.c5.large"
assert best["Metrics"]["MaxInvocations"] > 0
assert 0 <= served(model) <= 10

# By the id of a recommendation.
assert 0 <= served(new_model(), inference_recommendation_id=best["RecommendationId"]) <= 10

# A registered model, an advanced job; the SDK prints its log.
package = new_model().register(
    content_types=["text/csv"],
    response_types=["text/csv"],
    inference_instances=["ml.c5.large"],
    transform_instances=["ml.m5.large"],
    model_package_name="sized",
    sample_payload_url=payload,
    domain="MACHINE_LEARNING",
    task="REGRESSION",
    framework="XGBOOST",
)
package.right_size(
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
assert len(package.inference_recommendations) == 2
print("sdk2 right size: done")
