"""Framework images of the version that their tags name, with a real server (G02). Needs a network, or uv's and pip's caches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.jobs import archive, bucket, log_lines, script_job, wait
from support.server import SKLEARN, Server, running_server

pytestmark = pytest.mark.slow
GROUP = "/aws/sagemaker/TrainingJobs"
PATIENCE = 300.0
ABOUT = "import sklearn, sys, time\nprint('sklearn', sklearn.__version__, sys.version_info[:2])\n"


@pytest.fixture(scope="module")
def versions() -> Iterator[Server]:
    with running_server(images="versions", prewarm="") as started:
        yield started


@pytest.fixture(scope="module")
def data(versions: Server) -> str:
    return bucket(versions, "versions")


def ran(server: Server, data: str, name: str, image: str, files: dict[str, str]) -> tuple[list[str], float]:
    """The lines of its log, and the seconds from its creation to the start of its container."""
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    s3.put_object(Bucket=data, Key=f"{name}/sourcedir.tar.gz", Body=archive(files))
    sagemaker.create_training_job(**script_job(name, data, image))
    states = {"Completed", "Failed", "Stopped"}
    ended = wait(lambda: sagemaker.describe_training_job(TrainingJobName=name), "TrainingJobStatus", states, PATIENCE)
    lines = log_lines(server, GROUP, f"{name}/")
    assert ended["TrainingJobStatus"] == "Completed", (ended.get("FailureReason"), lines)
    began = next(step["StartTime"] for step in ended["SecondaryStatusTransitions"] if step["Status"] == "Training")
    return lines, (began - ended["CreationTime"]).total_seconds()


def test_the_version_of_the_tag_runs_and_the_second_job_starts_at_once(versions: Server, data: str) -> None:
    """Pass mark: from the first to the second job with the same image in at most 0.3 s."""
    files = {"train.py": ABOUT}
    first, took = ran(versions, data, "first", SKLEARN, files)
    assert any(line.startswith("sklearn 1.2.2 ") for line in first)
    assert not any("tag names" in line for line in first)
    _, again = ran(versions, data, "second", SKLEARN, files)
    print(f"first job {took:.1f} s with the build, second job {again:.3f} s")
    assert again <= 0.3


def test_the_nearest_version_runs_and_is_said(versions: Server, data: str) -> None:
    lines, _ = ran(versions, data, "nearest", SKLEARN.replace("1.2-1", "0.20.0"), {"train.py": ABOUT})
    assert "which cannot be had for a Python of this machine. The nearest version runs: " in lines[0]
    assert any(line.startswith(("sklearn 0.2", "sklearn 1.0")) for line in lines)


def test_requirements_are_laid_over_it_once(versions: Server, data: str) -> None:
    files = {
        "train.py": ABOUT + "import text_unidecode, pandas\nprint('pandas', pandas.__version__)\n",
        "requirements.txt": "text-unidecode==1.3\npandas==2.0.3\n",
    }
    lines, _ = ran(versions, data, "layer", SKLEARN, files)
    assert "pandas 2.0.3" in lines
    assert not any(line.startswith("Installing dependencies") for line in lines)
    _, again = ran(versions, data, "layer-again", SKLEARN, files)
    print(f"with a layer {again:.3f} s")


def test_a_server_with_images_of_its_own_says_which_version_runs() -> None:
    with running_server(prewarm="") as server:
        lines, _ = ran(server, bucket(server, "own"), "own", SKLEARN, {"train.py": ABOUT})
        assert lines[0].startswith("The image's tag names scikit-learn 1.2; the server's own scikit-learn ")
        assert not (server.settings.environments / "editions").exists()
