"""SageMaker SDK v3: a JumpStart model from the public hub, trained by ModelTrainer, deployed by ModelBuilder."""

import json
import tarfile

import numpy as np
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.jumpstart import JumpStartConfig
from sagemaker.core.jumpstart.document import get_hub_content_and_document
from sagemaker.core.jumpstart.search import search_public_hub_models
from sagemaker.core.resources import Endpoint
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer

session = Session()
found = search_public_hub_models("@framework:lightgbm AND @task:regression", sagemaker_session=session)
assert [item.hub_content_name for item in found] == ["lightgbm-regression-model"], found

config = JumpStartConfig(model_id="lightgbm-regression-model")
content, document = get_hub_content_and_document(config, session)
assert document.TrainingSupported
assert content.hub_content_arn.endswith(":aws:hub-content/SageMakerPublicHub/Model/lightgbm-regression-model/2.2.7")

trainer = ModelTrainer.from_jumpstart_config(
    jumpstart_config=config, hyperparameters={"num_boost_round": 200, "learning_rate": 0.05, "early_stopping_rounds": 20}
)
trainer.train(wait=True, logs=True)
job = trainer._latest_training_job
assert job.training_job_status == "Completed"
place, key = job.model_artifacts.s3_model_artifacts.removeprefix("s3://").split("/", 1)
session.boto_session.client("s3").download_file(place, key, "model.tar.gz")
with tarfile.open("model.tar.gz") as tar:
    assert {"model.pkl", "model.txt", "code/inference.py"} <= {name.removeprefix("./") for name in tar.getnames()}

# SDK 3.27 deploys what the hub has, not what the trainer made.
builder = ModelBuilder(model=trainer)
builder.build()
endpoint = builder.deploy(endpoint_name="jumpstart-three", wait=True)

table = session.boto_session.client("s3").get_object(
    Bucket=f"jumpstart-cache-prod-{session.boto_region_name}", Key="training-datasets/tabular_regression/validation/data.csv"
)
rows = np.array([line.split(",") for line in table["Body"].read().decode().splitlines()], float)
body = "\n".join(",".join(map(str, row)) for row in rows[:, 1:])
answer = session.boto_session.client("sagemaker-runtime").invoke_endpoint(
    EndpointName="jumpstart-three", ContentType="text/csv", Body=body
)
predictions = np.array(json.loads(answer["Body"].read())["prediction"])
assert np.sqrt(np.mean((predictions - rows[:, 0]) ** 2)) < 75
Endpoint.get("jumpstart-three").delete()
print("sdk3 JumpStart: done")
