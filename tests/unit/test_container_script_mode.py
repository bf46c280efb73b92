"""Script mode training: what a user's program finds, and what is left when it fails (features G: script mode; contracts 2.G). Feature rows G03, G14, G15, G16."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from time import monotonic
from zipfile import ZipFile

import pytest
from support.ml_root import MlRoot

REPORT = """
import json, os, sys
print("REPORT " + json.dumps({"argv": sys.argv, "env": dict(os.environ), "cwd": os.getcwd(), "name": __name__}))
open(os.path.join(os.environ["SM_MODEL_DIR"], "model"), "w").write("trained")
"""


@pytest.fixture
def root(tmp_path: Path) -> MlRoot:
    return MlRoot(tmp_path / "ml")


def report(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("REPORT "))
    document: dict[str, object] = json.loads(line.removeprefix("REPORT "))
    return document


def v2(program: str, **hyperparameters: object) -> dict[str, str]:
    """SDK v2 sends every hyperparameter as JSON text."""
    values = {"sagemaker_program": program, "sagemaker_submit_directory": "s3://bucket/sourcedir.tar.gz", **hyperparameters}
    return {name: json.dumps(value) for name, value in values.items()}


def test_a_program_of_sdk_v2_runs_with_its_arguments_and_environment(root: MlRoot) -> None:
    """clients.md 4: v2 script mode; SRC aws/sagemaker-training-toolkit ENVIRONMENT_VARIABLES.md."""
    root.archive("input/config/sourcedir.tar.gz", train_py=REPORT)
    hyperparameters = v2(
        "train.py", epochs=5, rate=0.1, flag=True, layers=[1, 2], name="a b", x="single", sagemaker_region="us-east-1"
    )
    root.configure(hyperparameters, train="text/csv", my_data="text/csv")
    found = report(root.train(TRAINING_JOB_NAME="job-1"))
    ml = str(root.folder)
    expected = ["--epochs", "5", "--flag", "True", "--layers", "[1, 2]", "--name", "a b", "--rate", "0.1", "-x", "single"]
    assert found["argv"] == ["train.py", *expected]
    assert found["name"] == "__main__"
    assert found["cwd"] == f"{ml}/code"
    env = found["env"]
    assert isinstance(env, dict)
    assert json.loads(env["SM_USER_ARGS"]) == expected
    assert json.loads(env["SM_HPS"]) == {
        "epochs": 5, "rate": 0.1, "flag": True, "layers": [1, 2], "name": "a b", "x": "single",
    }  # fmt: skip
    assert (env["SM_HP_EPOCHS"], env["SM_HP_FLAG"], env["SM_HP_LAYERS"], env["SM_HP_NAME"]) == ("5", "true", "[1, 2]", "a b")
    assert env["SM_CHANNEL_TRAIN"] == f"{ml}/input/data/train"
    assert env["SM_CHANNEL_MY_DATA"] == f"{ml}/input/data/my_data"
    assert json.loads(env["SM_CHANNELS"]) == ["my_data", "train"]
    assert (env["SM_MODEL_DIR"], env["SM_OUTPUT_DATA_DIR"]) == (f"{ml}/model", f"{ml}/output/data")
    assert (env["SM_CURRENT_HOST"], json.loads(env["SM_HOSTS"]), env["SM_NETWORK_INTERFACE_NAME"]) == (
        "algo-1",
        ["algo-1"],
        "eth0",
    )
    assert int(env["SM_NUM_CPUS"]) >= 1
    assert env["TRAINING_JOB_NAME"] == "job-1"
    training = json.loads(env["SM_TRAINING_ENV"])
    assert training["hyperparameters"]["epochs"] == 5
    assert training["job_name"] == "job-1"
    assert (root.folder / "model" / "model").read_text() == "trained"


def test_every_variable_of_the_toolkit_is_there(root: MlRoot) -> None:
    """contracts.md 2.G: toolkit env."""
    root.archive("input/config/sourcedir.tar.gz", train_py=REPORT)
    root.configure(v2("train.py"), train="text/csv")
    env = report(root.train())["env"]
    assert isinstance(env, dict)
    wanted = (
        "MODEL_DIR OUTPUT_DIR OUTPUT_DATA_DIR CHANNELS HPS CURRENT_HOST HOSTS NUM_GPUS NUM_CPUS NUM_NEURONS LOG_LEVEL "
        "NETWORK_INTERFACE_NAME USER_ARGS INPUT_DIR INPUT_CONFIG_DIR RESOURCE_CONFIG INPUT_DATA_CONFIG TRAINING_ENV"
    )
    assert {f"SM_{name}" for name in wanted.split()} <= env.keys()


@pytest.mark.parametrize(("visible", "expected"), [("", "0"), ("-1", "0"), ("3", "1"), ("0,2", "2"), ("GPU-a, GPU-b", "2")])
def test_gpus_are_those_that_the_container_was_given(root: MlRoot, visible: str, expected: str) -> None:
    """Feature row G11: the machine may have more."""
    root.archive("input/config/sourcedir.tar.gz", train_py=REPORT)
    root.configure(v2("train.py"), train="text/csv")
    env = report(root.train(CUDA_VISIBLE_DEVICES=visible))["env"]
    assert isinstance(env, dict)
    assert env["SM_NUM_GPUS"] == expected


def test_what_the_toolkit_sets_besides(root: MlRoot) -> None:
    """SRC aws/sagemaker-training-toolkit environment.py: the job's own name wins over the one that a tuner copies."""
    root.archive("input/config/sourcedir.tar.gz", train_py=REPORT)
    root.configure(v2("train.py", sagemaker_job_name="estimator-1", sagemaker_region="eu-west-1"), train="text/csv")
    env = report(root.train(TRAINING_JOB_NAME="tuning-001"))["env"]
    assert isinstance(env, dict)
    assert (env["CURRENT_HOST"], env["SAGEMAKER_JOB_NAME"], env["SAGEMAKER_REGION"]) == ("algo-1", "estimator-1", "eu-west-1")
    assert json.loads(env["SM_TRAINING_ENV"])["job_name"] == "tuning-001"


def test_the_environment_names_the_program_before_the_hyperparameters_do(root: MlRoot) -> None:
    """SRC aws/sagemaker-training-toolkit environment.py."""
    root.archive("input/config/sourcedir.tar.gz", train_py=REPORT, other_py="raise SystemExit(9)")
    root.configure(v2("other.py"))
    assert report(root.train(SAGEMAKER_PROGRAM="train.py"))["argv"] == ["train.py"]


def test_plain_values_of_sdk_v3_mean_the_same(root: MlRoot) -> None:
    """clients.md 4: v3 hyperparameters are not JSON-quoted."""
    root.archive("input/config/sourcedir.tar.gz", train_py=REPORT)
    plain = {"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://b/k.tar.gz", "epochs": "5", "name": "text"}
    root.configure(plain, train="text/csv")
    assert report(root.train())["argv"] == ["train.py", "--epochs", "5", "--name", "text"]


def test_the_environment_may_name_the_program(root: MlRoot) -> None:
    root.write("code/train.py", REPORT)
    root.configure({"epochs": "1"})
    assert report(root.train(SAGEMAKER_PROGRAM="train.py"))["argv"] == ["train.py", "--epochs", "1"]


def test_a_script_with_the_imports_of_awss_xgboost_examples(root: MlRoot) -> None:
    """amazon-sagemaker-examples, xgboost_abalone script mode: get_dmatrix, rabit_run, the encoder, the environment."""
    program = (
        "import json, os\nfrom sagemaker_training import environment\n"
        "from sagemaker_xgboost_container import distributed, encoder\n"
        "from sagemaker_xgboost_container.data_utils import get_dmatrix\n"
        "def train(data, is_master):\n    print('REPORT', json.dumps([data.num_row(), data.num_col(), is_master, sparse.num_col()]))\n"
        "sparse = encoder.libsvm_to_dmatrix('1 0:1 4:2')\n"
        "env = environment.Environment()\ndata = get_dmatrix(env.channel_input_dirs['train'], 'text/csv')\n"
        "distributed.rabit_run(train, {'data': data}, True, env.hosts, env.current_host)\n"
    )
    root.archive("input/config/sourcedir.tar.gz", train_py=program)
    root.write("input/data/train/a.csv", "1,2,3\n0,4,5\n")
    root.configure(v2("train.py"), train="text/csv")
    assert report(root.train(SAGEWRIGHT_ALGORITHM="xgboost")) == [2, 2, True, 5]


def test_modules_beside_the_program_and_a_satisfied_requirement(root: MlRoot) -> None:
    root.archive(
        "input/config/sourcedir.tar.gz", train_py="import helper\nprint('REPORT', helper.VALUE)", helper_py="VALUE = 7",
        requirements_txt="numpy\n# a comment\n",
    )  # fmt: skip
    root.configure(v2("train.py"))
    assert report(root.train()) == 7


def wheel(root: MlRoot) -> None:
    """A package that no environment has, beside the program."""
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        archive.writestr("greeting_of_the_test.py", "TEXT = 'hello'")
        info = "greeting_of_the_test-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: greeting-of-the-test\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    root.write("code/greeting_of_the_test-1.0-py3-none-any.whl", buffer.getvalue())


@pytest.mark.parametrize("program", ["train.py", "train.sh"])
def test_requirements_are_installed_for_the_job(root: MlRoot, program: str) -> None:
    """SDK: requirements.txt beside the entry point."""
    wheel(root)
    root.write("code/requirements.txt", "numpy\n./greeting_of_the_test-1.0-py3-none-any.whl\n")
    root.write("code/train.py", "import greeting_of_the_test\nprint('REPORT \"%s\"' % greeting_of_the_test.TEXT)")
    root.write("code/train.sh", f"exec {sys.executable} train.py")
    root.configure({"sagemaker_program": program, "sagemaker_submit_directory": "/opt/ml/code"})
    assert report(root.train()) == "hello"


def test_a_requirement_that_cannot_be_installed_is_a_clear_failure(root: MlRoot) -> None:
    root.archive("input/config/sourcedir.tar.gz", train_py=REPORT, requirements_txt="./no-such-package-here\n")
    root.configure(v2("train.py"))
    done = root.train()
    assert done.returncode == 1
    assert "requirements.txt could not be installed" in root.failure()
    assert "no-such-package-here" in root.failure()


def test_a_training_module_runs(root: MlRoot) -> None:
    """contracts.md 2.G: SAGEMAKER_TRAINING_MODULE."""
    root.write("code/mine.py", "def go():\n    print('REPORT 1')\ndef fail():\n    raise OSError('no disk')\n")
    root.configure({})
    assert report(root.train(SAGEMAKER_TRAINING_MODULE="mine:go")) == 1
    assert root.train(SAGEMAKER_TRAINING_MODULE="mine:fail").returncode == 1
    assert root.failure().endswith("OSError: no disk\n\nno disk")


def test_a_shell_script_runs_in_bash(root: MlRoot) -> None:
    root.archive("input/config/sourcedir.tar.gz", train_sh='echo "REPORT [\\"$1\\", \\"$2\\", \\"$SM_CURRENT_HOST\\"]"')
    root.configure(v2("train.sh", epochs=3))
    assert report(root.train()) == ["--epochs", "3", "algo-1"]


def test_a_package_runs_as_a_module(root: MlRoot) -> None:
    root.write("code/setup.py", "")
    root.write("code/trainer/__init__.py", "")
    root.write("code/trainer/__main__.py", REPORT)
    root.configure({"sagemaker_program": "trainer", "sagemaker_submit_directory": "/opt/ml/code", "a": "1", "b": "2"})
    assert report(root.train())["argv"][1:] == ["-a", "1", "-b", "2"]  # type: ignore[index]


def test_an_exception_becomes_the_reason(root: MlRoot) -> None:
    """The form of AWS's toolkit: ExecuteUserScriptError, exit code, message, command."""
    root.archive("input/config/sourcedir.tar.gz", train_py="def f():\n    raise ValueError('bad data')\nf()")
    root.configure(v2("train.py", epochs=2))
    done = root.train()
    assert done.returncode == 1
    assert root.failure() == (
        f'ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: bad data"\nCommand "{sys.executable} train.py --epochs 2"'
    )
    assert 'train.py", line 2, in f' in done.stderr
    assert "sagewright_container" not in done.stderr


def test_a_syntax_error_is_reported_like_any_other(root: MlRoot) -> None:
    root.archive("input/config/sourcedir.tar.gz", train_py="def f(:\n")
    root.configure(v2("train.py"))
    assert root.train().returncode == 1
    assert 'ErrorMessage "SyntaxError' in root.failure()


@pytest.mark.parametrize(
    ("program", "code", "message"),
    [
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('out of luck')", 1, "out of luck"),
        ("import sys; sys.exit()", 0, None),
    ],
)
def test_the_exit_code_passes_through(root: MlRoot, program: str, code: int, message: str | None) -> None:
    root.archive("input/config/sourcedir.tar.gz", train_py=program)
    root.configure(v2("train.py"))
    assert root.train().returncode == code
    assert root.failure() == ("" if message is None else root.failure())
    assert message is None or f'ExitCode {code}\nErrorMessage "{message}"' in root.failure()


def test_a_shell_script_that_fails_tells_its_last_line(root: MlRoot) -> None:
    root.archive("input/config/sourcedir.tar.gz", train_sh="echo 'no space' >&2\nexit 3")
    root.configure(v2("train.sh"))
    assert root.train().returncode == 3
    assert 'ExitCode 3\nErrorMessage "no space"' in root.failure()


def test_a_reason_that_the_program_wrote_is_kept(root: MlRoot) -> None:
    """DG your-algorithms-training-algo-output: the failure file is the algorithm's."""
    program = "import os\nopen(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('my reason')\nraise SystemExit(1)"
    root.archive("input/config/sourcedir.tar.gz", train_py=program)
    root.configure(v2("train.py"))
    assert root.train().returncode == 1
    assert root.failure() == "my reason"


@pytest.mark.parametrize("program", ["train.py", "train.sh"])
def test_sigterm_reaches_the_program(root: MlRoot, program: str) -> None:
    """contracts.md 2.G: stop is SIGTERM to the user's process; it may save and leave."""
    python = (
        "import os, signal, sys, time\n"
        "def stop(*_):\n    open(os.environ['SM_MODEL_DIR'] + '/saved', 'w').close(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\nprint('READY', flush=True)\ntime.sleep(60)\n"
    )
    shell = "trap 'touch $SM_MODEL_DIR/saved; exit 0' TERM\necho READY\nwhile true; do read -t 0.05 < <(:) || true; done\n"
    root.archive("input/config/sourcedir.tar.gz", train_py=python, train_sh=shell)
    root.configure(v2(program))
    command = [sys.executable, "-m", "sagewright_container", "train"]
    with subprocess.Popen(command, env=root.environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        deadline = monotonic() + 30
        while process.stdout.readline() != "READY\n":
            assert monotonic() < deadline
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert (root.folder / "model" / "saved").exists()


@pytest.mark.parametrize(
    ("hyperparameters", "reason"),
    [
        ({"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://b/k"}, "was not placed in the container"),
        (
            {"sagemaker_program": "other.py", "sagemaker_submit_directory": "/opt/ml/code"},
            "other.py is not in the source directory",
        ),
        ({"sagemaker_program": "train.py", "sagemaker_submit_directory": "/opt/ml/none"}, "/opt/ml/none does not exist"),
        ({}, "no program was named"),
    ],
)
def test_code_that_is_not_there_is_a_clear_failure(root: MlRoot, hyperparameters: dict[str, str], reason: str) -> None:
    root.write("code/train.py", REPORT)
    root.configure(hyperparameters)
    assert root.train().returncode == 1
    assert reason in root.failure()


def distributed(root: MlRoot, switch: str, host: str = "algo-1", count: int = 1, **resources: object) -> MlRoot:
    """A script with one of the SDK's distributions, and a torchrun that only says how it was called."""
    root.write("code/train.py", REPORT)
    root.write("fake/torch/__init__.py", "")
    root.write("fake/torch/distributed/__init__.py", "")
    root.write("fake/torch/distributed/run.py", "import json, sys\nprint('REPORT ' + json.dumps(sys.argv[1:]))")
    enabled = {switch: "true", "epochs": "1"} if switch else {}
    if "groups" in resources:
        enabled["sagemaker_distribution_instance_groups"] = json.dumps(resources["groups"])
    root.configure({"sagemaker_program": "train.py", "sagemaker_submit_directory": "/opt/ml/code", **enabled})
    hosts = [f"algo-{number}" for number in range(1, count + 1)]
    groups = [
        {"instance_group_name": "feed", "instance_type": "ml.c5.xlarge", "hosts": hosts[:1]},
        {"instance_group_name": "fit", "instance_type": "ml.m5.large", "hosts": hosts[1:]},
    ]
    config = {"current_host": host, "hosts": hosts, "network_interface_name": "eth0", "instance_groups": groups}
    root.write("input/config/resourceconfig.json", json.dumps(config))
    return root


def with_torchrun(root: MlRoot, **environment: str) -> object:
    return report(root.train(PYTHONPATH=f"{root.environment()['PYTHONPATH']}:{root.folder / 'fake'}", **environment))


@pytest.mark.parametrize("switch", ["sagemaker_torch_distributed_enabled", "sagemaker_pytorch_ddp_enabled"])
def test_torch_distributed_is_launched_by_torchrun(root: MlRoot, switch: str) -> None:
    """SDK v2: distribution={"torch_distributed": {"enabled": True}}."""
    distributed(root, switch)
    assert with_torchrun(root) == ["--standalone", "--nnodes=1", "--nproc_per_node=1", "train.py", "--epochs", "1"]


def test_torchrun_on_several_hosts(root: MlRoot) -> None:
    """SRC aws/sagemaker-training-toolkit torch_distributed.py: the first host is the master, at port 7777."""
    distributed(root, "sagemaker_torch_distributed_enabled", "algo-2", 2)
    expected = ["--nnodes=2", "--nproc_per_node=1", "--node_rank=1", "--master_addr=algo-1", "--master_port=7777"]
    assert with_torchrun(root) == [*expected, "train.py", "--epochs", "1"]


def test_torchrun_in_one_of_several_instance_groups(root: MlRoot) -> None:
    """DG train-heterogeneous-cluster: a distribution is for one group; the others run the program plainly."""
    distributed(root, "sagemaker_torch_distributed_enabled", "algo-3", 3, groups=["fit"])
    expected = ["--nnodes=2", "--nproc_per_node=1", "--node_rank=1", "--master_addr=algo-2", "--master_port=7777"]
    assert with_torchrun(root)[:5] == expected  # type: ignore[index]
    distributed(root, "sagemaker_torch_distributed_enabled", "algo-1", 3, groups=["fit"])
    found = report(root.train())
    assert found["argv"] == ["train.py", "--epochs", "1"]
    env = found["env"]
    assert isinstance(env, dict)
    assert (env["SM_MASTER_ADDR"], json.loads(env["SM_DISTRIBUTION_HOSTS"])) == ("algo-2", ["algo-2", "algo-3"])
    assert json.loads(env["SM_CURRENT_INSTANCE_GROUP_HOSTS"]) == ["algo-1", "algo-2", "algo-3"]


def test_what_a_script_on_several_hosts_finds(root: MlRoot) -> None:
    """SRC aws/sagemaker-pytorch-training-toolkit training.py; the names that SDK v3's drivers use."""
    distributed(root, "", "algo-2", 2)
    env = report(root.train(SAGEWRIGHT_FRAMEWORK="pytorch", NCCL_DEBUG="INFO", MASTER_PORT="9"))["env"]
    assert isinstance(env, dict)
    expected = {
        "SM_CURRENT_HOST": "algo-2",
        "SM_HOST_COUNT": "2",
        "SM_CURRENT_HOST_RANK": "1",
        "SM_MASTER_ADDR": "algo-1",
        "SM_MASTER_PORT": "7777",
        "SM_NETWORK_INTERFACE_NAME": "eth0",
        "MASTER_ADDR": "algo-1",
        "NCCL_SOCKET_IFNAME": "eth0",
        "NCCL_DEBUG": "INFO",
        "MASTER_PORT": "9",
    }
    assert env.items() >= expected.items(), "what the request says stays"
    assert json.loads(env["SM_HOSTS"]) == ["algo-1", "algo-2"]


def mpirun(root: MlRoot, version: str) -> str:
    """A PATH whose mpirun tells this version, and else how it was called."""
    program = root.write("bin/mpirun", f'#!/bin/sh\n[ "$1" = --version ] && echo "{version}" && exit\necho "MPIRUN $@"\n')
    program.chmod(0o755)
    return f"{program.parent}:/usr/bin:/bin"


def test_mpi_on_the_first_host(root: MlRoot) -> None:
    """SRC aws/sagemaker-training-toolkit mpi.py: SDK v2 distribution={"mpi": {"enabled": True, "processes_per_host": 2, …}}."""
    distributed(root, "sagemaker_mpi_enabled", "algo-1", 1)
    given = json.loads((root.folder / "input/config/hyperparameters.json").read_text())
    more = {"sagemaker_mpi_num_of_processes_per_host": "2", "sagemaker_mpi_custom_mpi_options": '"-x A=b"'}
    root.write("input/config/hyperparameters.json", json.dumps({**given, **more}))
    done = root.train(PATH=mpirun(root, "mpirun (Open MPI) 4.1.8"))
    assert done.returncode == 0, done.stdout + done.stderr
    words = next(line for line in done.stdout.splitlines() if line.startswith("MPIRUN")).split()
    assert words[1:5] == ["--host", "algo-1:2", "-np", "2"]
    assert words[words.index("-x") + 1] == "A=b"
    assert words[-3:] == ["train.py", "--epochs", "1"]


@pytest.mark.parametrize(
    ("version", "reason"), [("", "there is no mpirun on this machine"), ("HYDRA build details:", "MPI needs Open MPI 4")]
)
def test_mpi_that_is_not_there_is_refused_in_words(root: MlRoot, version: str, reason: str) -> None:
    distributed(root, "sagemaker_mpi_enabled", "algo-2", 2)
    assert root.train(PATH=mpirun(root, version) if version else str(root.folder)).returncode == 1
    assert root.failure().startswith("ClientError: MPI ")
    assert reason in root.failure()


def test_the_cluster_of_a_mirrored_strategy(root: MlRoot) -> None:
    """SDK v2: distribution={"multi_worker_mirrored_strategy": {"enabled": True}} is TF_CONFIG."""
    distributed(root, "sagemaker_multi_worker_mirrored_strategy_enabled", "algo-2", 2)
    env = report(root.train())["env"]
    assert isinstance(env, dict)
    assert json.loads(env["TF_CONFIG"]) == {
        "cluster": {"worker": ["algo-1:8890", "algo-2:8890"]},
        "task": {"type": "worker", "index": 1},
        "environment": "cloud",
    }


@pytest.mark.parametrize(
    ("switch", "reason"),
    [
        (
            "sagemaker_distributed_dataparallel_enabled",
            "ClientError: the SageMaker data parallel library (smdistributed) is not",
        ),
        ("sagemaker_parameter_server_enabled", "ClientError: parameter servers are not available in this image"),
        ("sagemaker_pytorch_xla_multi_worker_enabled", "ClientError: PyTorch/XLA is not available in this image"),
    ],
)
def test_a_distribution_that_is_not_there_is_refused_in_words(root: MlRoot, switch: str, reason: str) -> None:
    distributed(root, switch, "algo-1", 2)
    assert root.train().returncode == 1
    assert root.failure().startswith(reason)


@pytest.mark.parametrize(
    ("program", "reason"), [("train.sh", "Unsupported entry point type"), ("trainer", "Python packages are not")]
)
def test_torchrun_runs_python_files_only(root: MlRoot, program: str, reason: str) -> None:
    distributed(root, "sagemaker_torch_distributed_enabled", "algo-1", 2)
    root.write("code/train.sh", "true")
    root.write("code/setup.py", "")
    given = json.loads((root.folder / "input/config/hyperparameters.json").read_text())
    root.write("input/config/hyperparameters.json", json.dumps({**given, "sagemaker_program": program}))
    assert root.train().returncode == 1
    assert root.failure().startswith(f"ClientError: {reason}")
