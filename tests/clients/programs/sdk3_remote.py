"""SageMaker SDK v3: functions that run in training jobs: @remote with dependencies, local modules and errors, RemoteExecutor."""

import os
import sys

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.remote_function import RemoteExecutor, remote

os.makedirs("project", exist_ok=True)
os.chdir("project")
sys.path.insert(0, os.getcwd())
with open("helper_of_mine.py", "w") as file:
    file.write("def double(number):\n    return 2 * number\n")
with open("requirements.txt", "w") as file:
    file.write("text-unidecode==1.3\n")

session = Session()
settings = {
    "instance_type": "ml.m5.large",
    "role": get_execution_role(session),
    "sagemaker_session": session,
    # The base image of this Python's version; by default the SDK knows those of 3.8 and 3.10 only.
    "image_uri": image_uris.get_base_python_image_uri(
        session.boto_region_name, f"{sys.version_info.major}{sys.version_info.minor}"
    ),
    "dependencies": "./requirements.txt",
    "include_local_workdir": True,
    "environment_variables": {"SHADE": "blue"},
    "pre_execution_commands": ["echo prepared > /tmp/prepared"],
}


@remote(**settings)
def add(left, right):
    import text_unidecode  # noqa: PLC0415 - only there
    from helper_of_mine import double  # noqa: PLC0415

    assert os.environ["SHADE"] == "blue"
    with open("/tmp/prepared") as file:
        assert file.read() == "prepared\n"
    print("adding", text_unidecode.unidecode("é"))
    return {"sum": double(left) + right, "python": sys.version_info[:2]}


assert add(2, right=3) == {"sum": 7, "python": sys.version_info[:2]}


@remote(**settings)
def fail():
    raise ValueError("the data are of the wrong colour")


try:
    fail()
except ValueError as error:
    reason = str(error)
else:
    raise AssertionError("the error did not come back")
assert "wrong colour" in reason, reason


def square(number):
    return number * number


with RemoteExecutor(max_parallel_jobs=2, **settings) as executor:
    assert [future.result() for future in (executor.submit(square, 3), executor.submit(square, 4))] == [9, 16]
print("sdk3 remote: done")
