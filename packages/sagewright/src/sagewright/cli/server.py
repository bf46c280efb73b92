"""``up``, ``down``, ``status`` and ``reset``: the server's life."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import fields
from typing import Annotated, Any

import typer
from rich.table import Table

from sagewright.cli.options import Data, console, fail, settings_or_exit
from sagewright.compute import trees
from sagewright.compute.retirement import remove_all
from sagewright.settings import Settings
from sagewright.supervisor import describe_running

_READY_WITHIN = 60.0
_STOPPED_WITHIN = 60.0


def up(
    port: Annotated[
        int | None, typer.Option(help="The one port for all services.  [default: 8400]", show_default=False)
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]", show_default=False)] = None,
    data: Data = None,
    auth: Annotated[
        str | None, typer.Option(help="strict: signatures verified; open: any key (loopback only).", show_default=False)
    ] = None,
    runtime: Annotated[str | None, typer.Option(help="auto, zygote, sandbox or process.", show_default=False)] = None,
    limits: Annotated[
        str | None, typer.Option(help="none, or aws: quotas as in a new account (sagewright quota).", show_default=False)
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when the server is ready.")] = False,
    inline: Annotated[bool, typer.Option("--inline", help="Front and control in one process, for debugging.")] = False,
    test_hooks: Annotated[
        bool, typer.Option("--test-hooks", help="Add POST /_sagewright/reset, which empties every account (loopback only).")
    ] = False,
) -> None:
    """Start the server. Without --detach it runs until Ctrl-C."""
    settings = settings_or_exit(
        port=port,
        host=host,
        data=data,
        auth=auth,
        runtime=runtime,
        limits=limits,
        inline=inline or None,
        test_hooks=test_hooks or None,
    )
    if running := running_settings(settings):
        fail(f"a server is running on {settings.data} already: {running.url}")
    settings = settings.with_port()
    _make_folders(settings)
    environment = {**os.environ, **settings.environment()}
    command = [sys.executable, "-m", "sagewright.supervisor"]
    process = _start(settings, command, environment, detach)
    if not detach:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    wait_until_ready(settings, process)
    console.print(f"Sagewright is up: [bold]{settings.url}[/]   (data in {settings.data})", highlight=False)
    console.print('Point this shell at it:  [bold]eval "$(sagewright env)"[/]', highlight=False)
    if not detach:
        _stay(process)


def down(data: Data = None) -> None:
    """Stop the server. Training jobs that run go on and are adopted by the next start; endpoints come back with it."""
    settings = settings_or_exit(data=data)
    record = describe_running(settings)
    if record is None:
        console.print("No server is running.")
        return
    stop(settings, record)
    console.print("Stopped.")


def status(
    data: Data = None, as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False
) -> None:
    """Show whether a server is running, where, and its processes."""
    settings = settings_or_exit(data=data)
    record = describe_running(settings)
    if as_json:
        typer.echo(json.dumps(record))
    elif record is None:
        console.print(f"No server is running on {settings.data}.", highlight=False)
    else:
        _print_status(record)
    if record is None:
        raise typer.Exit(3)


def reset(data: Data = None, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Delete everything the server keeps: resources, objects, logs, running jobs. The key pair stays, and so does an S3 of your own."""
    settings = settings_or_exit(data=data)
    if describe_running(settings):
        fail("stop the server first: sagewright down")
    if not settings.credentials.exists():
        fail(f"{settings.data} is not a data folder of Sagewright: it has no {settings.credentials.name}")
    if not yes:
        typer.confirm(f"Delete all resources, objects and logs in {settings.data}?", abort=True)
    remove_all(settings.jobs)
    for entry in settings.data.iterdir():
        if entry not in (settings.credentials, settings.environments):
            trees.remove(entry)
    if settings.database:
        _empty_database(settings)
    console.print("Everything is deleted.")


def running_settings(settings: Settings) -> Settings | None:
    """The settings a running server was started with, or None when none runs on this data folder."""
    record = describe_running(settings)
    if record is None:
        return None
    known = {f"SAGEWRIGHT_{field.name.upper()}" for field in fields(Settings)}
    return Settings.from_env({name: value for name, value in record["settings"].items() if name in known})


def healthy(settings: Settings) -> bool:
    """Whether the front answers and reaches control."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{settings.url}/_sagewright/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_until_ready(settings: Settings, process: subprocess.Popen[bytes]) -> None:
    """Returns when the server answers; fails when its supervisor ends or the time is up."""
    deadline = time.monotonic() + _READY_WITHIN
    while not (_supervises(settings, process) and healthy(settings)):
        if process.poll() is not None:
            fail(f"the server did not start{_reason(settings)}")
        if time.monotonic() > deadline:
            process.terminate()
            fail(f"the server is not ready after {_READY_WITHIN:.0f} s; see {settings.run}/*.log")
        time.sleep(0.03)


def _supervises(settings: Settings, process: subprocess.Popen[bytes]) -> bool:
    """Whether it is this process that keeps the data folder: another server may answer at the address it failed to get."""
    record = describe_running(settings)
    return record is not None and record["pid"] == process.pid


def stop(settings: Settings, record: dict[str, Any]) -> None:
    """Ends a running supervisor and waits until it is gone."""
    os.kill(record["pid"], signal.SIGTERM)
    deadline = time.monotonic() + _STOPPED_WITHIN
    while describe_running(settings) is not None:
        if time.monotonic() > deadline:
            fail(f"process {record['pid']} does not stop")
        time.sleep(0.05)


def _make_folders(settings: Settings) -> None:
    try:
        settings.make_folders()
    except OSError as problem:
        fail(f"cannot use the data folder {settings.data}: {problem.strerror or problem}")


def _empty_database(settings: Settings) -> None:
    """By a process of its own: no other command should wait until a database library is imported."""
    command = [sys.executable, "-m", "sagewright.app.empty_database"]
    if subprocess.run(command, env={**os.environ, **settings.environment()}, check=False).returncode:
        fail("the database could not be emptied")


def _reason(settings: Settings) -> str:
    """What a supervisor in the background said last; one in the foreground has said it to the user already."""
    log = settings.run / "supervisor.log"
    said = [line for line in log.read_text(errors="replace").splitlines() if line] if log.exists() else []
    return f": {said[-1].removeprefix('sagewright: ')}" if said else ""


def _start(settings: Settings, command: list[str], environment: dict[str, str], detach: bool) -> subprocess.Popen[bytes]:
    if not detach:
        return subprocess.Popen(command, env=environment)
    with (settings.run / "supervisor.log").open("wb") as log:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _stay(process: subprocess.Popen[bytes]) -> None:
    """Waits for the supervisor; Ctrl-C reaches it too, so only its end is waited for."""
    while True:
        try:
            raise typer.Exit(process.wait())
        except KeyboardInterrupt:
            continue


def _print_status(record: dict[str, Any]) -> None:
    console.print(
        f"Sagewright is up: [bold]{record['url']}[/]   (data in {record['settings']['SAGEWRIGHT_DATA']})", highlight=False
    )
    table = Table("process", "pid", "restarts")
    table.add_row("supervisor", str(record["pid"]), "")
    for name, part in record["parts"].items():
        table.add_row(name, str(part["pid"] or "starting"), str(part["restarts"]))
    console.print(table)
