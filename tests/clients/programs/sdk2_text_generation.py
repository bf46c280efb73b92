"""SageMaker SDK v2: HuggingFaceModel with TGI's image on a model in S3, JSON and streamed; the model is optimized and served by LMI's image.

ModelBuilder.optimize asks the Hugging Face Hub about its model; what it then sends is sent here, and waited for as it does.
"""

import json
import sys

import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.huggingface import HuggingFaceModel, get_huggingface_llm_image_uri
from sagemaker.iterators import LineIterator
from sagemaker.model import Model
from sagemaker.serializers import JSONSerializer

session = sagemaker.Session()
role = sagemaker.get_execution_role()
source = {"S3DataSource": {"S3Uri": sys.argv[1], "S3DataType": "S3Prefix", "CompressionType": "None"}}

model = HuggingFaceModel(
    role=role,
    image_uri=get_huggingface_llm_image_uri("huggingface", version="3.3.6"),
    model_data=source,
    env={"HF_MODEL_ID": "/opt/ml/model", "SM_NUM_GPUS": json.dumps(1), "MAX_INPUT_LENGTH": json.dumps(32)},
    sagemaker_session=session,
)
predictor = model.deploy(1, "ml.g5.2xlarge", container_startup_health_check_timeout=300)
answer = predictor.predict({"inputs": "abc", "parameters": {"max_new_tokens": 3, "return_full_text": False}})
assert answer == [{"generated_text": "def"}], answer
parts = predictor.predict_stream({"inputs": "abc", "parameters": {"max_new_tokens": 3}, "stream": True}, iterator=LineIterator)
events = [json.loads(line[5:]) for line in parts if line.startswith(b"data:")]
assert [event["token"]["text"] for event in events] == ["d", "e", "f"], events
predictor.delete_model()
predictor.delete_endpoint()

session.sagemaker_client.create_optimization_job(
    OptimizationJobName="sdk2-optimized",
    DeploymentInstanceType="ml.g5.2xlarge",
    RoleArn=role,
    ModelSource={"S3": {"S3Uri": sys.argv[1]}},
    OptimizationConfigs=[
        {
            "ModelQuantizationConfig": {
                "Image": get_huggingface_llm_image_uri("lmi", version="0.27.0"),
                "OverrideEnvironment": {"OPTION_QUANTIZE": "awq"},
            }
        }
    ],
    OutputConfig={"S3OutputLocation": f"s3://{session.default_bucket()}/optimized/"},
    StoppingCondition={"MaxRuntimeInSeconds": 36000},
)
job = session.wait_for_optimization_job("sdk2-optimized")
source["S3DataSource"]["S3Uri"] = job["OutputConfig"]["S3OutputLocation"]
lmi = Model(
    image_uri=job["OptimizationOutput"]["RecommendedInferenceImage"],
    model_data=source,
    role=role,
    env={"OPTION_ROLLING_BATCH": "auto", "OPTION_MAX_MODEL_LEN": "64", "OPTION_QUANTIZE": "awq"},
    predictor_cls=sagemaker.Predictor,
    sagemaker_session=session,
)
predictor = lmi.deploy(1, "ml.g5.2xlarge", serializer=JSONSerializer(), deserializer=JSONDeserializer())
answer = predictor.predict({"inputs": "abc", "parameters": {"max_new_tokens": 3}})
assert answer == {"generated_text": "def"}, answer
predictor.delete_model()
predictor.delete_endpoint()
print("sdk2 text generation: done")
