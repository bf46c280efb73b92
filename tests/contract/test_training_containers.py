"""Training jobs in real containers: Python in forks of a zygote, anything else in a sandbox; only S3 is a stand-in."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from support.environments import define, package
from support.jobs import archive, breast_cancer, csv
from support.training import PYTORCH, SKLEARN, XGBOOST, Rig

from sagewright.compute.host import Host, environment
from sagewright.compute.zygote import Zygote


class Copying(Zygote):
    """The objects are in this process's memory, where no file system in a container could read them."""

    @property
    def without_file_systems(self) -> str:
        return "the objects are in memory"


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    """Sockets need short paths, and imports take a second: one for all tests."""
    with TemporaryDirectory(prefix="sw-") as folder:
        made = Copying(Host(Path(folder), (Path(folder),)))
        yield made
        made.close()


@pytest.fixture
def rig(tmp_path: Path, zygote: Zygote) -> Iterator[Rig]:
    with Rig(tmp_path, zygote) as made:
        yield made


def shell(script: str) -> dict[str, Any]:
    return {
        "TrainingImage": SKLEARN,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/bash", "-c", script],
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
    }


def test_a_script(rig: Rig) -> None:
    """The whole container contract with nothing but a shell."""
    rig.create(
        AlgorithmSpecification=shell(
            "cp /opt/ml/input/data/train/a.csv /opt/ml/model/; echo report > /opt/ml/output/data/r; echo loss=0.5; "
            "echo $TRAINING_JOB_NAME on $(hostname); python3 -c 'import numpy; print(\"numpy\")'"
        )
    )
    job = rig.ended()
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert rig.lines(job) == ["loss=0.5", "job on algo-1", "numpy"]
    assert [(metric["MetricName"], metric["Value"]) for metric in job["FinalMetricDataList"]] == [("loss", 0.5)]
    assert rig.objects.keys("bucket") == ["out/job/output/model.tar.gz", "out/job/output/output.tar.gz", "train/a.csv"]
    rig.until(lambda: rig.folder().exists(), lambda there: not there)


def test_a_failure(rig: Rig) -> None:
    rig.create(AlgorithmSpecification=shell("echo some output; exit 3"))
    assert rig.ended()["FailureReason"] == (
        "AlgorithmError: The training container failed, exit code: 3. Last log lines: some output"
    )


def test_a_program_that_is_not_there(rig: Rig) -> None:
    rig.create(AlgorithmSpecification={**shell(""), "ContainerEntrypoint": ["/no/such/program"]})
    job = rig.ended()
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError:")


def test_stop_lets_the_program_save(rig: Rig) -> None:
    """API StopTrainingJob: SIGTERM reaches the user's process, and what it saves then is kept."""
    rig.create(
        AlgorithmSpecification=shell(
            "trap 'echo saved > /opt/ml/model/late; exit 0' TERM; echo ready; while true; do sleep 0.05; done"
        )
    )
    job = rig.reach("Training", member="SecondaryStatus")
    rig.until(lambda: rig.lines(job), lambda lines: "ready" in lines)
    rig.sagemaker.stop_training_job(TrainingJobName="job")
    assert rig.ended()["TrainingJobStatus"] == "Stopped"
    assert "out/job/output/model.tar.gz" in rig.objects.keys("bucket")


def test_a_restarted_control_adopts_the_container(rig: Rig) -> None:
    rig.create(
        AlgorithmSpecification=shell(
            "echo begun; touch /opt/ml/checkpoints/begun; until [ -e /opt/ml/checkpoints/go ]; do sleep 0.05; done; echo done"
        )
    )
    job = rig.reach("Training", member="SecondaryStatus")
    rig.until(lambda: rig.lines(job), lambda lines: "begun" in lines)
    rig.restart()
    (rig.folder() / "ml/checkpoints/go").touch()
    job = rig.ended()
    assert job["TrainingJobStatus"] == "Completed"
    assert rig.lines(job) == ["begun", "done"]


def test_a_killed_container(rig: Rig) -> None:
    rig.create(AlgorithmSpecification=shell("kill -9 $$"))
    assert "ended by signal SIGKILL, exit code: 137" in rig.ended()["FailureReason"]


def test_the_built_in_xgboost(rig: Rig) -> None:
    """G01, H03: a model that predicts, metrics of the algorithm's own, every line of the log."""
    train, _, _ = breast_cancer()
    rig.objects.put("s3://bucket/train/a.csv", csv(train[:340]))
    rig.objects.put("s3://bucket/validation/b.csv", csv(train[340:]))
    channels = [
        {
            "ChannelName": name,
            "ContentType": "text/csv",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://bucket/{name}"}},
        }
        for name in ("train", "validation")
    ]
    rig.create(
        AlgorithmSpecification={"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
        HyperParameters={"objective": "binary:logistic", "num_round": "20", "eval_metric": "auc,logloss"},
        InputDataConfig=channels,
    )
    job = rig.ended()
    assert job["TrainingJobStatus"] == "Completed", (job, rig.lines(job))
    assert {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}["validation:auc"] > 0.97
    assert sum("#011validation-auc:" in line for line in rig.lines(job)) == 20
    with tarfile.open(fileobj=io.BytesIO(rig.objects.get("s3://bucket/out/job/output/model.tar.gz"))) as tar:
        assert tar.getnames() == ["xgboost-model"]


def test_a_bad_hyperparameter_of_a_built_in_algorithm(rig: Rig) -> None:
    """AWS creates the job, and its container refuses."""
    rig.create(
        AlgorithmSpecification={"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
        HyperParameters={"objective": "binary:logistic", "num_round": "many"},
    )
    job = rig.ended()
    assert job["TrainingJobStatus"] == "Failed"
    assert "num_round" in job["FailureReason"]


def test_script_mode(rig: Rig) -> None:
    """The SDK v2's way: sagemaker_program and sagemaker_submit_directory, JSON-encoded."""
    program = "import os\nopen(os.path.join(os.environ['SM_MODEL_DIR'], 'm'), 'w').write('x')\nprint('trained')\n"
    rig.objects.put("s3://bucket/code/sourcedir.tar.gz", archive({"train.py": program}))
    rig.create(
        HyperParameters={"sagemaker_program": '"train.py"', "sagemaker_submit_directory": '"s3://bucket/code/sourcedir.tar.gz"'}
    )
    job = rig.ended()
    assert job["TrainingJobStatus"] == "Completed", (job, rig.lines(job))
    assert "trained" in rig.lines(job)
    assert "out/job/output/model.tar.gz" in rig.objects.keys("bucket")


AUTOGLUON = "763104351884.dkr.ecr.us-east-1.amazonaws.com/autogluon-training:1.3.0-cpu-py311"


def in_autogluon(rig: Rig, source: str) -> dict[str, Any]:
    """A job of a script in an environment with an interpreter of its own."""
    rig.objects.put("s3://bucket/source.tar.gz", archive({"train.py": source}))
    given = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": '"s3://bucket/source.tar.gz"'}
    rig.create(
        AlgorithmSpecification={"TrainingImage": AUTOGLUON, "TrainingInputMode": "File"},
        HyperParameters=given,
        EnableNetworkIsolation=True,
    )
    return rig.ended()


def test_an_environment_of_its_own_is_built_for_the_first_job(rig: Rig, tmp_path: Path) -> None:
    """Feature row G02: the job runs in its interpreter and sees none of the server's libraries."""
    define(tmp_path / "definitions", "autogluon")
    job = in_autogluon(rig, "import importlib.util, sys; print(sys.prefix, importlib.util.find_spec('numpy'))")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    built = next((tmp_path / "environments").glob("autogluon-*/bin")).parent
    assert f"{built} None" in rig.lines(job)


def test_an_environment_that_cannot_be_built(rig: Rig, tmp_path: Path) -> None:
    """The reason and the command that tries again are the job's FailureReason."""
    define(tmp_path / "definitions", "autogluon", imports=("no_such_library",))
    reason = in_autogluon(rig, "")["FailureReason"]
    assert reason.startswith("ClientError: The environment autogluon could not be built; ")
    assert "`sagewright environments build autogluon`" in reason
    assert "no_such_library cannot be imported: ModuleNotFoundError" in reason


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that no image has, and pip finds without a network."""
    package(tmp_path / "wheels", "tiny", "ANSWER = 42\n", "1.0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))


def with_requirements(rig: Rig, name: str, requirements: str, **changes: Any) -> dict[str, Any]:
    files = {"train.py": "import tiny; print('answer', tiny.ANSWER)", "requirements.txt": requirements}
    rig.objects.put("s3://bucket/source.tar.gz", archive(files))
    given = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": '"s3://bucket/source.tar.gz"'}
    rig.create(name, HyperParameters=given, **changes)
    return rig.ended(name)


def test_requirements_are_laid_over_the_image_once_for_all_jobs(rig: Rig, tmp_path: Path, tiny: None) -> None:
    """Feature row G03: an isolated job has what an earlier one brought; nothing is installed in the container."""
    without = {"EnableNetworkIsolation": True, "Environment": {"PIP_NO_INDEX": "1"}}  # pip would try again for a while
    isolated = with_requirements(rig, "isolated", "tiny\n", **without)
    assert isolated["FailureReason"].startswith("AlgorithmError: framework error")
    for name, changes in (
        ("first", {}),
        ("isolated-again", {"EnableNetworkIsolation": True}),
        ("two", {"ResourceConfig": TWO}),
    ):
        job = with_requirements(rig, name, "tiny\n", **changes)
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        lines = rig.lines(job)
        assert "answer 42" in lines
        assert not any(line.startswith("Installing dependencies") for line in lines)
    assert len([path for path in (tmp_path / "environments/layers").iterdir() if path.is_dir()]) == 1


def test_a_requirement_that_cannot_be_installed(rig: Rig, tiny: None) -> None:
    """The installer's last words: of the server's where the containers reach no registry."""
    alone = with_requirements(rig, "alone", "tiny==9\n", Environment={"PIP_NO_INDEX": "1"})
    assert "No matching distribution found for tiny==9" in alone["FailureReason"]
    two = with_requirements(rig, "two", "tiny==9\n", ResourceConfig=TWO)
    assert two["FailureReason"].startswith("AlgorithmError: InstallRequirementsError: ")
    assert "No matching distribution found for tiny==9" in two["FailureReason"]


def test_output_that_is_shown_while_a_job_runs(rig: Rig) -> None:
    """SRC aws/sagemaker-training-toolkit intermediate_output.py: with sagemaker_s3_output, below the job's name."""
    rig.create(
        AlgorithmSpecification=shell("echo early > /opt/ml/output/intermediate/report"),
        HyperParameters={"sagemaker_s3_output": '"s3://bucket/shown"'},
    )
    assert rig.ended()["TrainingJobStatus"] == "Completed"
    assert "shown/job/output/intermediate/report" in rig.objects.keys("bucket")


def mpi_version() -> str:
    """What the mpirun that containers find says of itself; empty where there is none."""
    found = shutil.which("mpirun", path=environment("algo-1")["PATH"])
    return subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout if found else ""


TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5}

# Each host serves on the same port, calls every host by its name, and says what it heard.
_TALK = """
import http.server, json, os, socket, threading, time, urllib.request
me, hosts = os.environ["SM_CURRENT_HOST"], json.loads(os.environ["SM_HOSTS"])
done = threading.Barrier(len(hosts) + 1)
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(me.encode())
        threading.Thread(target=done.wait, daemon=True).start()
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
for host in hosts:
    for _ in range(3000):
        try: print("heard", host, urllib.request.urlopen(f"http://{host}:8080/", timeout=30).read().decode(), flush=True); break
        except OSError: time.sleep(0.01)
done.wait(60)
time.sleep(0.1)
print(f"loss={len(me)}.{me[-1]};", socket.gethostname(), os.environ["SM_NETWORK_INTERFACE_NAME"], flush=True)
open(os.path.join(os.environ["SM_MODEL_DIR"], me), "w").write(me)
"""


def script(rig: Rig, program: str, **changes: Any) -> str:
    rig.objects.put("s3://bucket/code/sourcedir.tar.gz", archive({"train.py": program}))
    code = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": '"s3://bucket/code/sourcedir.tar.gz"'}
    return rig.create(**{"HyperParameters": code, **changes})


@pytest.mark.parametrize("isolated", [False, True])
def test_instances_reach_one_another(rig: Rig, isolated: bool) -> None:
    """API EnableNetworkIsolation keeps peers; each has every port, its own name, log stream and part of the model."""
    script(rig, _TALK, ResourceConfig=TWO, EnableNetworkIsolation=isolated)
    job = rig.ended()
    lines = {host: rig.lines(job, host) for host in ("algo-1", "algo-2")}
    assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), lines)
    for host, told in lines.items():
        assert [line for line in told if line.startswith("heard")] == ["heard algo-1 algo-1", "heard algo-2 algo-2"]
        assert f"loss=6.{host[-1]}; {host} eth0" in told
    with tarfile.open(fileobj=io.BytesIO(rig.objects.get("s3://bucket/out/job/output/model.tar.gz"))) as tar:
        assert tar.getnames() == ["algo-1", "algo-2"]
    rig.until(lambda: rig.folder().parent.exists(), lambda there: not there)


# A line fitted by DDP and by FSDP (fully_shard) over gloo: each host sees half of the rows, both end with the same weights.
_DISTRIBUTED = """
import os
import torch
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
torch.manual_seed(0)
rows = torch.randn(64, 4)
wanted = rows @ torch.tensor([1.0, -2.0, 3.0, 0.5])
rows, wanted = rows[rank::world], wanted[rank::world]
def train(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(80):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(rows).squeeze(1), wanted)
        loss.backward()
        optimizer.step()
    return loss.item()
replicated, sharded = torch.nn.Linear(4, 1), torch.nn.Linear(4, 2)
network = torch.nn.Sequential(sharded, torch.nn.Linear(2, 1))
fully_shard(sharded)
fully_shard(network)
losses = train(DistributedDataParallel(replicated)), train(network)
weights = [torch.empty(1, 4) for _ in range(world)]
dist.all_gather(weights, replicated.weight.detach())
print(f"world={world} same={torch.equal(*weights)} fitted={max(losses) < 1e-3}", tuple(sharded.weight.to_local().shape), flush=True)
if rank == 0:
    torch.save(replicated.state_dict(), os.path.join(os.environ["SM_MODEL_DIR"], "model.pt"))
dist.destroy_process_group()
"""


def test_torchrun_over_two_instances(rig: Rig) -> None:
    """G14: distribution={"torch_distributed": {"enabled": True}}; DDP and FSDP over gloo, on CPU and isolated."""
    code = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": '"s3://bucket/code/sourcedir.tar.gz"'}
    script(
        rig,
        _DISTRIBUTED,
        AlgorithmSpecification={"TrainingImage": PYTORCH, "TrainingInputMode": "File"},
        HyperParameters={**code, "sagemaker_torch_distributed_enabled": "true"},
        EnableNetworkIsolation=True,
        ResourceConfig=TWO,
    )
    job = rig.until(rig.describe, lambda job: job["TrainingJobStatus"] in ("Completed", "Failed"), 180)
    lines = {host: rig.lines(job, host) for host in ("algo-1", "algo-2")}
    assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), lines)
    assert [line for told in lines.values() for line in told if line.startswith("world=")] == [
        "world=2 same=True fitted=True (1, 4)"
    ] * 2
    with tarfile.open(fileobj=io.BytesIO(rig.objects.get("s3://bucket/out/job/output/model.tar.gz"))) as tar:
        assert tar.getnames() == ["model.pt"]


@pytest.mark.skipif("Open MPI) 4." not in mpi_version(), reason="there is no Open MPI 4 that containers would see")
def test_mpi_over_two_instances(rig: Rig) -> None:
    """G14: distribution={"mpi": {"enabled": True, "processes_per_host": 2}}; mpirun reaches the other host without SSH."""
    names = ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "SM_CURRENT_HOST")
    program = f"import os\nprint('rank ' + ' '.join(os.environ[name] for name in {names}), flush=True)\n"
    code = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": '"s3://bucket/code/sourcedir.tar.gz"'}
    switches = {"sagemaker_mpi_enabled": "true", "sagemaker_mpi_num_of_processes_per_host": "2"}
    script(rig, program, ResourceConfig=TWO, HyperParameters={**code, **switches})
    job = rig.until(rig.describe, lambda job: job["TrainingJobStatus"] in ("Completed", "Failed"), 90)
    lines = rig.lines(job)
    assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), lines, rig.lines(job, "algo-2"))
    said = set(re.findall(r"rank (\d 4 algo-\d)", "\n".join(lines)))  # mpirun tags every piece that a process writes
    assert said == {"0 4 algo-1", "1 4 algo-1", "2 4 algo-2", "3 4 algo-2"}


def test_an_instance_that_fails_ends_the_others(rig: Rig) -> None:
    """The one that waits for a peer is told to end, and the job does so at once."""
    program = (
        "import os, time\nif os.environ['SM_CURRENT_HOST'] == 'algo-2':\n    raise ValueError('the column is bad')\n"
        "print('waiting', flush=True)\ntime.sleep(600)\n"
    )
    began = time.monotonic()
    script(rig, program, ResourceConfig=TWO)
    job = rig.ended()
    assert 'ErrorMessage "ValueError: the column is bad"' in job["FailureReason"]
    assert time.monotonic() - began < 15
    rig.until(lambda: rig.folder().parent.exists(), lambda there: not there)


def test_a_restarted_control_adopts_all_instances(rig: Rig) -> None:
    rig.create(
        AlgorithmSpecification=shell(
            "echo begun; touch /opt/ml/checkpoints/begun; until [ -e /opt/ml/checkpoints/go ]; do sleep 0.05; done; "
            "getent hosts algo-1 algo-2 | wc -l"
        ),
        ResourceConfig=TWO,
    )
    job = rig.reach("Training", member="SecondaryStatus")
    rig.until(lambda: [rig.lines(job, host) for host in ("algo-1", "algo-2")], lambda lines: lines == [["begun"], ["begun"]])
    rig.restart()
    for host in ("algo-1", "algo-2"):
        (rig.folder("job", host) / "ml/checkpoints/go").touch()
    job = rig.ended()
    assert job["TrainingJobStatus"] == "Completed"
    assert [rig.lines(job, host) for host in ("algo-1", "algo-2")] == [["begun", "2"]] * 2


def piped(source: dict[str, Any] | None = None, **changes: Any) -> list[dict[str, Any]]:
    found = {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/train/", **(source or {})}
    return [{"ChannelName": "train", "InputMode": "Pipe", "DataSource": {"S3DataSource": found}, **changes}]


def test_a_script_reads_two_epochs(rig: Rig) -> None:
    """G05, Pipe mode: a FIFO for each epoch, which a script of a framework image opens one after the other."""
    rig.objects.put("s3://bucket/train/b.csv", b",3")
    program = b"for epoch in (0, 1):\n    print(epoch, open(f'/opt/ml/input/data/train_{epoch}').read())\n"
    rig.objects.put("s3://bucket/code/sourcedir.tar.gz", archive({"train.py": program}))
    rig.create(
        InputDataConfig=piped(),
        HyperParameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "s3://bucket/code/sourcedir.tar.gz",
        },
    )
    job = rig.ended()
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert [line for line in rig.lines(job) if line.endswith("1,2,3")] == ["0 1,2,3", "1 1,2,3"]
    rig.until(lambda: rig.folder().exists(), lambda there: not there)


def test_a_command_reads_an_augmented_manifest(rig: Rig) -> None:
    """G05: an entrypoint of the user's own has its pipes fed, too."""
    rig.objects.put("s3://bucket/images/1", b"image ")
    rig.objects.put("s3://bucket/set.manifest", b'{"source-ref": "s3://bucket/images/1", "label": 7}\n')
    source = {
        "S3DataType": "AugmentedManifestFile",
        "S3Uri": "s3://bucket/set.manifest",
        "AttributeNames": ["source-ref", "label"],
    }
    command = shell("cat /opt/ml/input/data/train_0; echo; exit 4")
    rig.create(AlgorithmSpecification=command, InputDataConfig=piped(source))
    job = rig.ended()
    assert rig.lines(job) == ["image 7"]
    assert "exit code: 4" in job["FailureReason"]


def test_compressed_data_that_is_none(rig: Rig) -> None:
    rig.create(AlgorithmSpecification=shell("cat /opt/ml/input/data/train_0"), InputDataConfig=piped(CompressionType="Gzip"))
    reason = rig.ended()["FailureReason"]
    assert reason.startswith("ClientError: Data download failed:s3://bucket/train/a.csv is not a gzip file")


def test_fast_file_says_that_it_copies(rig: Rig) -> None:
    """G05: the container sees files and the mode that was asked for."""
    command = {
        **shell("cat /opt/ml/input/data/train/a.csv /opt/ml/input/config/inputdataconfig.json"),
        "TrainingInputMode": "FastFile",
    }
    rig.create(AlgorithmSpecification=command)
    job = rig.ended()
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    [line] = rig.lines(job)
    assert line.startswith("1,2{")
    assert '"TrainingInputMode": "FastFile"' in line
    messages = {step["Status"]: step["StatusMessage"] for step in job["SecondaryStatusTransitions"]}
    assert "FastFile and Pipe data is copied before the training starts" in messages["Downloading"]
    assert "the objects are in memory" in messages["Downloading"]
