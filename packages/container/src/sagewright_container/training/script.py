"""Script mode: runs the user's program with its arguments and environment, and says why when it fails.

A Python program runs in this process: what a zygote has imported is there already, and SIGTERM reaches the script itself. A
shell script or a package gets a process of its own; signals are handed on.
"""

from __future__ import annotations

import builtins
import io
import json
import os
import shlex
import sys
import traceback
from pathlib import Path
from types import ModuleType, TracebackType

from sagewright_container import interpreter, log
from sagewright_container.code import make_importable, prepare
from sagewright_container.errors import ClientError, CodeError
from sagewright_container.failure import write_failure
from sagewright_container.training import child, distribution, mpi, remote
from sagewright_container.training.command import command, runs_here
from sagewright_container.training.environment import TrainingEnvironment

_FAILURE = 1


def run(environment: TrainingEnvironment) -> int:
    """Runs ``environment.program``; returns its exit code. The reason of a failure goes to /opt/ml/output/failure."""
    layout = environment.layout
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # whoever follows the log sees every line when it is printed
    interpreter.adopt()
    try:
        code = prepare(layout, environment.source)
        words = command(code, environment)
        make_importable(code)
    except ClientError as error:
        return _report_failure(environment, f"ClientError: {error}", _FAILURE)
    except CodeError as error:
        return _report_failure(environment, f"framework error: \n{error}", _FAILURE)
    for folder in (layout.model, layout.output_data):
        folder.mkdir(parents=True, exist_ok=True)
    os.environ.update({**environment.variables(), **environment.platform_variables(), **distribution.variables(environment)})
    os.chdir(code)
    _announce(environment, words)
    with remote.leading(mpi.followers(environment)):
        here = runs_here(words) and not interpreter.is_stale()
        status, message = _run_here(code / words[1], words[1:]) if here else child.run(words)
    if status == 0:
        log.info("Reporting training SUCCESS")
        return 0
    text = f'ExecuteUserScriptError:\nExitCode {status}\nErrorMessage "{message}"\nCommand "{shlex.join(words)}"'
    return _report_failure(environment, text, status)


def _announce(environment: TrainingEnvironment, words: list[str]) -> None:
    """What AWS's toolkit prints before the user's first line."""
    variables = environment.variables()
    pretty = json.dumps(json.loads(variables["SM_TRAINING_ENV"]), indent=4)
    print(f"\nTraining Env:\n\n{pretty}\n\nEnvironment variables:\n")
    for name, value in sorted(variables.items()):
        if name != "SM_TRAINING_ENV":
            print(f"{name}={value}")
    print(f"\nInvoking script with the following command:\n\n{shlex.join(words)}\n\n", flush=True)


def _run_here(program: Path, arguments: list[str]) -> tuple[int, str]:
    """(exit code, message) of what ``python program`` would do. The new ``__main__`` stays: threads may outlive the script."""
    module = ModuleType("__main__")
    module.__dict__.update(__file__=str(program), __builtins__=builtins)
    sys.modules["__main__"] = module
    sys.argv = arguments
    try:
        exec(compile(program.read_bytes(), str(program), "exec", dont_inherit=True), module.__dict__)
    except SystemExit as end:
        return _exit_status(end)
    except BaseException as error:  # noqa: BLE001 - the user's program may raise anything: it is the reason of the failure
        traceback.print_exception(type(error), error, _of_the_user(error.__traceback__))
        return _FAILURE, f"{type(error).__name__}: {error}"
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0, ""


def _exit_status(end: SystemExit) -> tuple[int, str]:
    """sys.exit(text) prints the text and means 1, as in the interpreter."""
    if end.code is None or isinstance(end.code, int):
        return (end.code or 0) & 0xFF, ""
    print(end.code, file=sys.stderr)
    return _FAILURE, str(end.code)


def _of_the_user(frames: TracebackType | None) -> TracebackType | None:
    """Without the frame of this file."""
    return frames.tb_next if frames is not None and frames.tb_frame.f_code.co_filename == __file__ else frames


def _report_failure(environment: TrainingEnvironment, text: str, status: int) -> int:
    """A reason that the user's program wrote itself is kept."""
    log.error("Reporting training FAILURE")
    log.error(text)
    if not environment.layout.failure.exists():
        write_failure(environment.layout, text)
    return status
