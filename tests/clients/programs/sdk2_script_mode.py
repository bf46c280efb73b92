"""SageMaker SDK v2, script mode to the full: git_config, dependencies, requirements.txt, hyperparameters, TensorBoard output, the variables of the toolkit."""

import os
import subprocess
import zipfile

import boto3
import sagemaker
from sagemaker.debugger import TensorBoardOutputConfig
from sagemaker.inputs import TrainingInput
from sagemaker.sklearn import SKLearn

os.makedirs("work/src/pack", exist_ok=True)
with open("work/src/train.py", "w") as file:
    file.write(
        """
import argparse, json, os, subprocess, sys
import colour_names, helper_of_mine
from pack import inner
from text_unidecode import unidecode

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--rate", type=float)
parser.add_argument("--layers", type=json.loads)
parser.add_argument("--name")
parser.add_argument("--use-it", type=lambda text: text == "True")
parser.add_argument("-k", type=int)
arguments = parser.parse_args()
assert vars(arguments) == {
    "epochs": 3, "rate": 0.25, "layers": [8, 4], "name": "two words; $HOME", "use_it": True, "k": 5
}, arguments
assert unidecode("é") == "e" and colour_names.BLUE == 1 and helper_of_mine.VALUE == 7 and inner.DEEP == 3

env = os.environ
assert json.loads(env["SM_HPS"])["layers"] == [8, 4] and env["SM_HP_USE-IT"] == "true", env["SM_HPS"]
assert json.loads(env["SM_CHANNELS"]) == ["lists", "train"] and env["SM_CHANNEL_TRAIN"] == "/opt/ml/input/data/train"
assert json.loads(env["SM_USER_ARGS"])[:4] == ["--epochs", "3", "-k", "5"], env["SM_USER_ARGS"]
assert env["SM_USER_ENTRY_POINT"] == "train.py" and env["SM_MODULE_NAME"] == "train" and env["SM_MODULE_DIR"].startswith("s3://")
assert env["SM_CURRENT_HOST"] == "algo-1" and json.loads(env["SM_HOSTS"]) == ["algo-1"] and env["SM_LOG_LEVEL"] == "20"
assert int(env["SM_NUM_CPUS"]) >= 1 and env["SM_NUM_GPUS"] == "0" and env["SM_MODEL_DIR"] == "/opt/ml/model"
assert env["SM_OUTPUT_DATA_DIR"] == "/opt/ml/output/data" and env["SM_INPUT_CONFIG_DIR"] == "/opt/ml/input/config"
document = json.loads(env["SM_TRAINING_ENV"])
assert document["job_name"] == env["TRAINING_JOB_NAME"] and document["hyperparameters"]["epochs"] == 3
assert json.loads(env["SM_INPUT_DATA_CONFIG"])["lists"]["ContentType"] == "text/csv"
assert json.load(open("/opt/ml/input/config/tensorboardoutputconfig.json"))["S3OutputPath"].endswith("/board")

# What a script installs for itself, at once and for its children.
subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-index", "--find-links", env["SM_CHANNEL_TRAIN"], "wheel-of-mine"], check=True)
import wheel_of_mine
assert subprocess.run(["python", "-c", "import wheel_of_mine as w; print(w.ANSWER)"], capture_output=True, text=True, check=True).stdout == "42\\n"

os.makedirs("/opt/ml/output/tensorboard/run", exist_ok=True)
with open("/opt/ml/output/tensorboard/run/events.out.tfevents.1", "w") as file:
    file.write("events")
with open(os.path.join(env["SM_MODEL_DIR"], "model.txt"), "w") as file:
    file.write(str(wheel_of_mine.ANSWER))
print("everything is there")
"""
    )
with open("work/src/requirements.txt", "w") as file:
    file.write("# one that no image has\ntext-unidecode==1.3\nnumpy\n")
with open("work/src/pack/__init__.py", "w"):
    pass
with open("work/src/pack/inner.py", "w") as file:
    file.write("DEEP = 3\n")
os.makedirs("work/shared", exist_ok=True)
with open("work/shared/helper_of_mine.py", "w") as file:
    file.write("VALUE = 7\n")
os.makedirs("work/colour_names", exist_ok=True)
with open("work/colour_names/__init__.py", "w") as file:
    file.write("BLUE = 1\n")

identity = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
for words in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-q", "-m", "first"], ["tag", "v1"]):
    subprocess.run(["git", *words], cwd="work", check=True)
subprocess.run(["git", "clone", "-q", "--bare", "work", "repository.git"], check=True)
# The SDK takes https and ssh only; git itself may be told where such a server lies.
os.environ.update(
    GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0=f"url.file://{os.getcwd()}/.insteadOf", GIT_CONFIG_VALUE_0="https://git.example/"
)

# A wheel, made by hand.
with zipfile.ZipFile("wheel_of_mine-1.0-py3-none-any.whl", "w") as archive:
    archive.writestr("wheel_of_mine.py", "ANSWER = 42\n")
    about = "wheel_of_mine-1.0.dist-info"
    archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: wheel-of-mine\nVersion: 1.0\n")
    archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: me\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    archive.writestr(f"{about}/RECORD", "")

session = sagemaker.Session()
bucket = session.default_bucket()
data = session.upload_data("wheel_of_mine-1.0-py3-none-any.whl", key_prefix="sdk2-script-mode/train")
lists = session.upload_data("work/shared", key_prefix="sdk2-script-mode/lists")
settings = {
    "entry_point": "train.py",
    "role": sagemaker.get_execution_role(),
    "framework_version": "1.2-1",
    "instance_type": "ml.m5.large",
    "hyperparameters": {"epochs": 3, "rate": 0.25, "layers": [8, 4], "name": "two words; $HOME", "use-it": True, "k": 5},
    "tensorboard_output_config": TensorBoardOutputConfig(s3_output_path=f"s3://{bucket}/sdk2-script-mode/board"),
}
estimator = SKLearn(
    source_dir="src",
    git_config={"repo": "https://git.example/repository.git", "branch": "main", "commit": "v1"},
    dependencies=["shared/helper_of_mine.py", "colour_names"],
    **settings,
)
channels = {"train": data, "lists": TrainingInput(lists, content_type="text/csv")}
estimator.fit(channels)
keys = [item["Key"] for item in boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix="sdk2-script-mode/board")["Contents"]]
assert any(key.endswith("run/events.out.tfevents.1") for key in keys), keys

# The same again from the archive in S3: the layer of the requirements is there.
SKLearn(source_dir=estimator.uploaded_code.s3_prefix, **settings).fit(channels, logs=False)

# What cannot be installed is the reason of the failure, in the installer's words.
with open("requirements.txt", "w") as file:
    file.write("no-package-has-this-name-1234==9.9\n")
with open("train.py", "w") as file:
    file.write("print('never')\n")
os.makedirs("bad", exist_ok=True)
os.replace("requirements.txt", "bad/requirements.txt")
os.replace("train.py", "bad/train.py")
failing = SKLearn(
    entry_point="train.py",
    source_dir="bad",
    role=sagemaker.get_execution_role(),
    framework_version="1.2-1",
    instance_type="ml.m5.large",
)
try:
    failing.fit(logs=False)
except sagemaker.exceptions.UnexpectedStatusException as error:
    reason = str(error)
else:
    raise AssertionError("the job did not fail")
assert "No matching distribution found for no-package-has-this-name-1234==9.9" in reason, reason
print("sdk2 full script mode: done")
