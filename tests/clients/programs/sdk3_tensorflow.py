"""SageMaker SDK v3: ModelTrainer with TensorFlow's image, and what it has trained served by ModelBuilder."""

import json
import os

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, SourceCode

session = Session()
role = get_execution_role(session)
os.makedirs("source", exist_ok=True)
with open("source/train.py", "w") as file:
    file.write(
        """
import os
import tensorflow as tf

class Half(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": x / 2 + 2}

half = Half()
tf.saved_model.save(half, os.path.join(os.environ["SM_MODEL_DIR"], "half", "1"), signatures=half.__call__)
"""
    )
known = {"region": session.boto_region_name, "version": "2.19.0", "instance_type": "ml.m5.large"}
trainer = ModelTrainer(
    training_image=image_uris.retrieve("tensorflow", image_scope="training", py_version="py312", **known),
    source_code=SourceCode(source_dir="source", entry_script="train.py"),
    base_job_name="sdk3-tensorflow",
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    role=role,
    sagemaker_session=session,
)
trainer.train(logs=False)
artifact = trainer._latest_training_job.refresh().model_artifacts.s3_model_artifacts
builder = ModelBuilder(
    image_uri=image_uris.retrieve("tensorflow", image_scope="inference", **known),
    s3_model_data_url=artifact,
    role_arn=role,
    sagemaker_session=session,
    instance_type="ml.m5.large",
)
model = builder.build(model_name="sdk3-tensorflow")
endpoint = builder.deploy(endpoint_name="sdk3-tensorflow", initial_instance_count=1, instance_type="ml.m5.large")
answer = endpoint.invoke(body=json.dumps({"instances": [1.0, 2.0]}), content_type="application/json")
assert json.loads(answer.body.read()) == {"predictions": [2.5, 3.0]}
endpoint.delete()
endpoint.wait_for_delete()
model.delete()
print("sdk3 tensorflow: done")
