"""The command line, as a user runs it: one subprocess per command. Feature row A01."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.jobs import archive, bucket, script_job, wait_for_job
from support.server import ROLE, SKLEARN, XGBOOST, Server

from sagewright.settings import free_port

COMMANDS = (
    "up",
    "down",
    "status",
    "env",
    "run",
    "demo",
    "logs",
    "explain",
    "doctor",
    "reset",
    "environments list",
    "interrupt",
    "edge-agent",
    "quota list",
    "quota raise",
)


class Shell:
    """Commands on one server's data folder. ``sources`` is how the package is found."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def __call__(self, *arguments: str, code: int | None = 0, **more: Any) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in self.environment().items() if name not in more.pop("without", ())}
        done = subprocess.run(
            [sys.executable, "-m", "sagewright", *arguments],
            env={**environment, **more.pop("env", {})},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            **more,
        )
        if code is not None:
            assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def environment(self) -> dict[str, str]:
        kept = self.server.process_environment()
        known = {name: kept[name] for name in ("SAGEWRIGHT_DATA", "SAGEWRIGHT_PORT")}
        return {
            **{name: value for name, value in kept.items() if not name.startswith("SAGEWRIGHT_")},
            **known,
            "COLUMNS": "200",
        }


@pytest.fixture(scope="module")
def stopped() -> Iterator[Server]:
    """A data folder and a port; no server yet."""
    server = Server()
    yield server
    _down(server)
    server.remove()


@pytest.fixture(scope="module")
def up(stopped: Server) -> Iterator[Server]:
    """The same server, started with `up --detach`."""
    done = Shell(stopped)("up", "--detach")
    assert stopped.settings.url in done.stdout
    assert 'eval "$(sagewright env)"' in done.stdout
    yield stopped
    _down(stopped)


@pytest.fixture(scope="module")
def shell(up: Server) -> Shell:
    return Shell(up)


def _down(server: Server) -> None:
    Shell(server)("down")


class TestHelp:
    def test_the_table_of_contents_names_every_command(self, stopped: Server) -> None:
        text = Shell(stopped)("--help").stdout
        assert all(re.search(rf"\b{command.split()[0]}\b", text) for command in COMMANDS)

    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_says_what_it_does_and_what_each_option_means(self, stopped: Server, command: str) -> None:
        text = Shell(stopped)(*command.split(), "--help").stdout
        options = re.findall(r"│ +(--[a-z-]+)(.*)│", text)
        assert "Usage:" in text
        assert options
        for name, rest in options:
            assert re.search(r"[A-Za-z]{3}.* .*[a-z]{2}", rest), f"{command} {name} is not explained"

    def test_the_version(self, stopped: Server) -> None:
        assert re.fullmatch(r"sagewright \d+\.\d+\S*\n", Shell(stopped)("--version").stdout)


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--host", "0.0.0.0", "--auth", "open"), "loopback"),
            (("--host", "0.0.0.0", "--test-hooks"), "loopback"),
            (("--host", "::", "--auth", "open"), "loopback"),
            (("--auth", "none"), "strict or open"),
            (("--runtime", "magic"), "auto, zygote, sandbox or process"),
            (("--port", "70000"), "between 0 and 65535"),
            (("--limits", "some"), "none or aws"),
        ],
    )
    def test_settings_that_contradict_are_named(self, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
        done = _up(tmp_path / "data", *arguments)
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "data").exists()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("PORT", "http"),
            ("HOLD_DESCRIBE", "soon"),
            ("INLINE", "maybe"),
            ("ACCOUNT", "12"),
            ("FRONTS", "0"),
            ("SPOT_PRICE", "0"),
            ("SPOT_INTERRUPTIONS", "soon"),
            ("SPOT_INTERRUPTIONS", "5,-1"),
            ("S3_URL", "ftp"),
            ("DATABASE", "mysql"),
        ],
    )
    def test_a_bad_variable_is_named(self, tmp_path: Path, name: str, value: str) -> None:
        done = _up(tmp_path / "data", env={f"SAGEWRIGHT_{name}": value})
        assert done.returncode == 2
        assert name.lower() in done.stderr.lower()
        assert value in done.stderr or name == "DATABASE"  # a URL of a database may hold a password
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize("detach", [True, False])
    def test_a_taken_port_is_said_within_seconds(self, tmp_path: Path, detach: bool) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port, began = taken.getsockname()[1], time.monotonic()
            done = _up(tmp_path, "--port", str(port), *(["--detach"] if detach else []))
        assert done.returncode == 1
        assert time.monotonic() - began < 15
        assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in done.stderr
        assert "Traceback" not in done.stderr

    def test_an_address_of_another_machine(self, tmp_path: Path) -> None:
        done = _up(tmp_path, "--host", "192.0.2.1", "--port", str(free_port("127.0.0.1")), "--detach")
        assert done.returncode == 1
        assert "cannot listen on 192.0.2.1" in done.stderr

    @pytest.mark.parametrize("detach", [True, False])
    def test_a_part_that_cannot_start_ends_it_with_the_reason(self, tmp_path: Path, detach: bool) -> None:
        url = "postgresql://nobody@/none?host=/nowhere"
        arguments = ["--port", str(free_port("127.0.0.1")), *(["--detach"] if detach else [])]
        done = _up(tmp_path, *arguments, env={"SAGEWRIGHT_DATABASE": url})
        assert done.returncode == 1
        assert "control does not start" in done.stderr
        assert "/nowhere" in done.stderr
        assert not [process for process in psutil.process_iter(["environ"]) if _belongs(process, tmp_path)]

    def test_a_broken_key_file(self, tmp_path: Path) -> None:
        (tmp_path / "credentials.json").write_text("{")
        done = _up(tmp_path, "--port", str(free_port("127.0.0.1")), "--detach")
        assert done.returncode == 1
        assert "credentials" in done.stderr

    def test_a_data_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("")
        done = _up(tmp_path / "data", "--detach")
        assert done.returncode == 1
        assert "cannot use the data folder" in done.stderr
        assert "Traceback" not in done.stderr

    def test_reset_of_a_folder_that_is_not_ours(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("years of work")
        done = _command("reset", "--yes", "--data", str(tmp_path))
        assert done.returncode == 1
        assert "is not a data folder" in done.stderr
        assert (tmp_path / "thesis.txt").exists()

    @pytest.mark.parametrize("arguments", [("logs", "x"), ("status",), ("status", "--json"), ("down",)])
    def test_without_a_server(self, tmp_path: Path, arguments: tuple[str, ...]) -> None:
        done = _command(*arguments, "--data", str(tmp_path))
        assert done.returncode == {"logs": 1, "status": 3, "down": 0}[arguments[0]]
        assert "Traceback" not in done.stderr
        assert done.stdout.strip() == "null" if "--json" in arguments else "server" in done.stdout + done.stderr


class TestEnvironments:
    """Feature row G02. What `build` does is held in tests/contract/test_environments.py: here would be a network."""

    def test_what_is_not_built_is_listed(self, tmp_path: Path) -> None:
        assert re.search(r"autogluon.*not built", _command("environments", "list", "--data", str(tmp_path)).stdout)

    @pytest.mark.parametrize("verb", ["build", "remove"])
    def test_one_that_is_not_defined(self, tmp_path: Path, verb: str) -> None:
        done = _command("environments", verb, "nothing", "--data", str(tmp_path))
        assert done.returncode == 2
        assert "there is no environment nothing; there are autogluon" in done.stderr

    def test_an_image_names_its_environment(self, tmp_path: Path) -> None:
        image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/vllm:0.30.0-gpu-py312"
        assert "vllm is not built" in _command("environments", "remove", image, "--data", str(tmp_path)).stdout

    def test_a_build_that_fails_says_why(self, tmp_path: Path) -> None:
        given = {"UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "empty")}
        done = _command("environments", "build", "autogluon", "--data", str(tmp_path / "data"), env=given)
        assert done.returncode == 1
        assert "autogluon could not be built" in done.stderr
        assert "Traceback" not in done.stderr
        assert (
            "autogluon is not built" in _command("environments", "remove", "autogluon", "--data", str(tmp_path / "data")).stdout
        )


class TestRunning:
    def test_status(self, shell: Shell) -> None:
        text = shell("status").stdout
        assert shell.server.settings.url in text
        assert all(part in text for part in ("supervisor", "objects", "control", "front-1"))
        record = json.loads(shell("status", "--json").stdout)
        assert record["url"] == shell.server.settings.url
        assert psutil.pid_exists(record["parts"]["control"]["pid"])
        assert shell.server.keys()[1] not in json.dumps(record)

    def test_a_second_up_on_the_folder_is_refused(self, shell: Shell) -> None:
        done = shell("up", "--detach", "--port", str(free_port("127.0.0.1")), code=1)
        assert "running" in done.stderr
        assert shell.server.settings.url in done.stderr

    def test_env_in_a_posix_shell(self, shell: Shell) -> None:
        text = shell("env").stdout
        shown = subprocess.run(
            ["/bin/sh", "-euc", f'{text}\necho "$AWS_ENDPOINT_URL $AWS_SECRET_ACCESS_KEY $AWS_REGION"'],
            check=True,
            capture_output=True,
            text=True,
        )
        assert shown.stdout.split() == [shell.server.settings.url, shell.server.keys()[1], "us-east-1"]

    def test_env_in_fish(self, shell: Shell) -> None:
        lines = shell("env", "--fish").stdout.splitlines()
        assert f"set -gx AWS_ENDPOINT_URL {shell.server.settings.url}" in lines
        assert all(re.fullmatch(r"set -gx [A-Z_0-9]+ \S.*", line) for line in lines)

    def test_run_points_a_program_at_the_server(self, shell: Shell) -> None:
        program = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
        outside = {"AWS_PROFILE": "other", "AWS_SESSION_TOKEN": "other", "HTTP_PROXY": "http://192.0.2.1:1"}
        assert shell("run", "--", sys.executable, "-c", program, env=outside).stdout.strip() == "123456789012"

    @pytest.mark.parametrize("code", [0, 3, 41])
    def test_run_passes_the_exit_code_on(self, shell: Shell, code: int) -> None:
        shell("run", "--", "/bin/sh", "-c", f"exit {code}", code=code)

    def test_run_of_what_is_not_there(self, shell: Shell) -> None:
        assert "cannot run no-such-program" in shell("run", "no-such-program", code=127).stderr

    def test_run_leaves_the_programs_options_alone(self, shell: Shell) -> None:
        assert shell("run", "echo", "--data", "-f", "--help").stdout == "--data -f --help\n"

    def test_logs(self, shell: Shell) -> None:
        store = bucket(shell.server, "cli-logs")
        program = "for i in range(3): print('[bold] line', i, flush=True)"
        shell.server.client("s3").put_object(Bucket=store, Key="cli/sourcedir.tar.gz", Body=archive({"train.py": program}))
        shell.server.client("sagemaker").create_training_job(**script_job("cli", store, SKLEARN))
        followed = shell("logs", "-f", "cli").stdout
        assert wait_for_job(shell.server.client("sagemaker"), "cli")["TrainingJobStatus"] == "Completed"
        assert [line for line in followed.splitlines() if "line" in line] == [f"[bold] line {number}" for number in range(3)]
        assert shell("logs", "cli").stdout == followed
        assert "no training job" in shell("logs", "nothing", code=1).stderr

    def test_explain(self, shell: Shell) -> None:
        """N01: evidence and advice for a job whose script cannot be imported; a job that went well is none to explain."""
        store = bucket(shell.server, "cli-explain")
        s3, sagemaker = shell.server.client("s3"), shell.server.client("sagemaker")
        for name, program in (
            ("explain-bad", "print('before')\nimport no_such_module"),
            ("explain-good", "print('all is well')"),
        ):
            s3.put_object(Bucket=store, Key=f"{name}/sourcedir.tar.gz", Body=archive({"train.py": program}))
            sagemaker.create_training_job(**script_job(name, store, SKLEARN))
            wait_for_job(sagemaker, name)
        said = shell("explain", "explain-bad").stdout
        assert said.startswith("training job explain-bad: Failed\n")
        assert "  FailureReason: AlgorithmError: " in said
        assert "  exit code: 1\n" in said
        assert "first error in the log: ModuleNotFoundError: No module named 'no_such_module'" in said
        assert "=> The image has no module no_such_module: name its package in requirements.txt" in said
        assert shell("explain", "explain-good").stdout.strip() == "training job explain-good: Completed"
        assert "no training job" in shell("explain", "nothing", code=1).stderr

    def test_a_quota_is_raised_with_one_command(self, shell: Shell) -> None:
        """G19: by name, as the error message has it; here it is said that nothing is counted."""
        name = "ml.m5.4xlarge for training job usage"
        assert re.search(rf"{name} .* 4 ", shell("quota", "list", "m5.4xlarge").stdout)
        done = shell("quota", "raise", name, "9")
        assert f"{name}: 9" in done.stdout
        assert "without --limits aws" in done.stdout
        assert re.search(rf"{name} .* 9 ", shell("quota", "list", "m5.4xlarge").stdout)
        refused = " ".join(shell("quota", "raise", name, "3", code=1).stderr.split())
        assert refused.endswith(f"{name} is 9. You must provide a quota value greater than the current quota value.")
        assert "there is no quota ml.none" in shell("quota", "raise", "ml.none", "3", code=1).stderr
        assert "no quota has" in shell("quota", "list", "ml.none", code=1).stderr

    def test_interrupt_says_what_cannot_be_interrupted(self, shell: Shell) -> None:
        """G09."""
        assert "there is no training job named nobody" in shell("interrupt", "nobody", code=1).stderr

    def test_doctor(self, shell: Shell) -> None:
        done = shell("doctor", code=None)
        assert done.returncode in (0, 1)
        assert all(word in done.stdout for word in ("namespaces", "bubblewrap", "FUSE"))

    def test_reset_is_refused_while_the_server_runs(self, shell: Shell) -> None:
        assert "sagewright down" in shell("reset", "--yes", code=1).stderr


class TestEnd:
    """What comes after the server has run; each starts and stops its own."""

    def test_reset_asks_and_leaves_the_key_pair(self) -> None:
        server = Server()
        shell = Shell(server)
        try:
            shell("up", "-d")
            server.client("sagemaker").create_model(
                ModelName="gone", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": XGBOOST}
            )
            keys = server.keys()
            assert "Stopped" in shell("down").stdout
            assert "Aborted" in shell("reset", input="n\n", code=1).stderr
            assert (server.settings.data / "sagewright.db").exists()
            shell("reset", input="y\n")
            assert [entry.name for entry in server.settings.data.iterdir()] == ["credentials.json"]
            shell("up", "-d")
            assert server.keys() == keys
            assert server.client("sagemaker").list_models()["Models"] == []
        finally:
            shell("down", code=None)
            server.remove()

    def test_up_in_the_foreground_ends_with_a_signal(self, tmp_path: Path) -> None:
        port = free_port("127.0.0.1")
        environment = {**_environment(), "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "sagewright", "up", "--port", str(port), "--data", str(tmp_path)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert process.stdout is not None
        with process.stdout:
            assert f"http://127.0.0.1:{port}" in process.stdout.readline()
            process.terminate()
            assert process.wait(30) == 0
        assert not [other for other in psutil.process_iter(["environ"]) if _belongs(other, tmp_path)]


def _up(data: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return _command("up", "--data", str(data), *arguments, env=env)


def _command(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sagewright", *arguments]
    environment = {**_environment(), "COLUMNS": "200", **(env or {})}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEWRIGHT_"))}


def _belongs(process: psutil.Process, data: Path) -> bool:
    return (process.info["environ"] or {}).get("SAGEWRIGHT_DATA") == str(data)
