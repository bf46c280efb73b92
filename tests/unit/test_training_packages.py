"""What a training job's code wants of Python: its environment, and the packages that are laid over it. Feature rows G02, G03."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from harness import WORLD
from support.jobs import archive

from sagewright.compute.environments.build import BuildError
from sagewright.compute.environments.folder import Environments
from sagewright.features.training import packages
from sagewright.features.training.folder import JobFolder
from sagewright.features.training.packages import Packages
from sagewright.kernel.errands import ErrandFailed
from sagewright.store.rows import Resource

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
BASE = "081325390199.dkr.ecr.us-east-1.amazonaws.com/sagemaker-distribution-prod:latest"
DRIVER = "python -m sagemaker{}.remote_function.invoke_function"


class Noting(Environments):
    """Makes no layer, and notes which it is asked for."""

    refuses = False

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[list[str]] = []

    async def prepare_layer(self, python: str, requirements: Sequence[str]) -> Path:
        assert python == sys.executable
        self.asked.append(list(requirements))
        if self.refuses:
            raise BuildError("No matching distribution found")
        return Path("/nowhere")


def spec(image: str = BASE, **changes: Any) -> dict[str, Any]:
    algorithm = {"TrainingImage": image, "TrainingInputMode": "File", **changes.pop("algorithm", {})}
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": changes.pop("count", 1), "VolumeSizeInGB": 5}
    return {"AlgorithmSpecification": algorithm, "ResourceConfig": resources, **changes}


@pytest.mark.parametrize(
    ("given", "environment"),
    [
        (spec(XGBOOST), "xgboost"),
        (spec(XGBOOST, HyperParameters={"sagemaker_program": '"train.py"'}), "xgboost@1.7"),
        (spec(XGBOOST, Environment={"SAGEMAKER_PROGRAM": "train.py"}), "xgboost@1.7"),
        (spec(XGBOOST, algorithm={"ContainerEntrypoint": ["/bin/bash"]}), "xgboost@1.7"),
        (
            spec(
                XGBOOST,
                HyperParameters={
                    "sagemaker_program": "transfer_learning.py",
                    "sagemaker_submit_directory": "s3://jumpstart-cache-prod-us-east-1/source.tar.gz",
                },
            ),
            "xgboost",
        ),
    ],
)
def test_scripts_have_a_version_and_algorithms_do_not(given: dict[str, Any], environment: str) -> None:
    assert packages.environment(given) == environment


class Job:
    """A job whose data have come in."""

    def __init__(self, folder: Path, **given: Any) -> None:
        self.environments = Noting(folder / "environments")
        self.packages = Packages(self.environments, folder / "jobs")
        self.resource = Resource(WORLD, "TrainingJob", "job", name="job", spec=spec(**given))
        self.folder = JobFolder.of(folder / "jobs", self.resource)
        self.folder.make()

    def file(self, channel: str, name: str, text: str) -> None:
        path = self.folder.channel(channel) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def source(self, requirements: str) -> None:
        content = archive({"train.py": "", "requirements.txt": requirements})
        (self.folder.config / "sourcedir.tar.gz").write_bytes(content)


async def test_sdk_2_has_them_beside_the_entry_point(tmp_path: Path) -> None:
    job = Job(tmp_path)
    job.source("no-such-package\n")
    await job.packages.bring(job.resource)
    assert job.environments.asked == [["no-such-package"]]


async def test_what_the_image_has_needs_no_layer(tmp_path: Path) -> None:
    job = Job(tmp_path)
    job.source("numpy\n")
    await job.packages.bring(job.resource)
    assert job.environments.asked == []


async def test_sdk_3_names_a_file_of_the_code_channel(tmp_path: Path) -> None:
    job = Job(tmp_path)
    job.file(
        "sm_drivers", "sm_train.sh", "$SM_PYTHON_CMD /opt/ml/input/data/sm_drivers/scripts/install_requirements.py needs.txt\n"
    )
    job.file("code", "needs.txt", "no-such-package==1\n")
    await job.packages.bring(job.resource)
    assert job.environments.asked == [["no-such-package==1"]]


async def test_a_file_from_elsewhere_is_not_read(tmp_path: Path) -> None:
    """The driver is what a client sent."""
    (tmp_path / "secret").write_text("secret\n")
    job = Job(tmp_path)
    job.file("code", "train.py", "")
    job.file("sm_drivers", "sm_train.sh", f"install_requirements.py {tmp_path}/secret\n")
    await job.packages.bring(job.resource)
    assert job.environments.asked == []


@pytest.mark.parametrize(
    ("module", "version", "wanted"),
    [("", "2.257.7", "sagemaker==2.257.7"), (".core", "3.27.0", "sagemaker-core==2.27.*"), ("", "2.0; import os", None)],
)
async def test_remote_functions_bring_their_sdk(tmp_path: Path, module: str, version: str, wanted: str | None) -> None:
    job = Job(tmp_path, algorithm={"ContainerArguments": ["--region", "x", "--client_sagemaker_pysdk_version", version]})
    job.file("sagemaker_remote_function_bootstrap", "job_driver.sh", DRIVER.format(module))
    await job.packages.bring(job.resource)
    assert job.environments.asked == ([[wanted]] if wanted else [])


async def test_an_image_of_ones_own_brings_its_packages_itself(tmp_path: Path) -> None:
    job = Job(tmp_path, image="123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:latest")
    job.source("no-such-package\n")
    await job.packages.bring(job.resource)
    assert job.environments.asked == []


@pytest.mark.parametrize("given", [{"EnableNetworkIsolation": True}, {"Environment": {"PIP_INDEX_URL": "http://mine/"}}])
async def test_who_has_no_network_or_an_installer_of_ones_own_gets_no_layer(tmp_path: Path, given: dict[str, Any]) -> None:
    job = Job(tmp_path, **given)
    job.source("no-such-package\n")
    await job.packages.bring(job.resource)
    assert job.environments.asked == []


async def test_what_cannot_be_laid_is_left_to_the_container_if_that_reaches_a_registry(tmp_path: Path) -> None:
    alone, two = Job(tmp_path / "1"), Job(tmp_path / "2", count=2)
    for job in (alone, two):
        job.environments.refuses = True
        job.source("no-such-package\n")
    await alone.packages.bring(alone.resource)
    assert (await alone.packages.found(alone.resource)).layers == ()
    with pytest.raises(ErrandFailed, match="AlgorithmError: InstallRequirementsError: No matching distribution found"):
        await two.packages.bring(two.resource)
