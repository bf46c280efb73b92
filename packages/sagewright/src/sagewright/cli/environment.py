"""``env`` and ``run``: point any AWS client of a shell, or one program, at this server.

What has to be set beyond AWS_ENDPOINT_URL, and why: the SDKs' STS host is hard-coded (site/sitecustomize.py drops it), they send
telemetry to AWS unless their defaults file says no, they look for EC2 metadata, and boto3 reads AWS_DEFAULT_REGION while others read AWS_REGION.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from sagewright.cli.options import Data, fail, settings_or_exit
from sagewright.cli.server import running_settings
from sagewright.settings import Settings
from sagewright.wire.credentials import Keyring

_SITE = Path(__file__).parent / "site"
_ROLE = "SagewrightExecutionRole"
_ROLE_SECTIONS = {
    "AutoMLJob": "RoleArn",
    "AutoMLJobV2": "RoleArn",
    "CompilationJob": "RoleArn",
    "EdgePackagingJob": "RoleArn",
    "FeatureGroup": "RoleArn",
    "Model": "ExecutionRoleArn",
    "Pipeline": "RoleArn",
    "ProcessingJob": "RoleArn",
    "TrainingJob": "RoleArn",
}


def env(
    data: Data = None,
    fish: Annotated[bool, typer.Option("--fish", help="Print for the fish shell.")] = False,
) -> None:
    """Print what points this shell's AWS clients at the server: eval "$(sagewright env)"."""
    variables = client_environment(_settings(data))
    for name, value in variables.items():
        typer.echo(f"set -gx {name} {shlex.quote(value)}" if fish else f"export {name}={shlex.quote(value)}")


def run(
    command: Annotated[list[str], typer.Argument(help="The command, after --.", show_default=False)],
    data: Data = None,
) -> None:
    """Run one command with its AWS clients pointed at the server: sagewright run -- python train.py."""
    environment = {**os.environ, **client_environment(_settings(data))}
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_STS"):
        environment.pop(name, None)
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        fail(f"cannot run {command[0]}: {error.strerror}", code=127)


def client_environment(settings: Settings) -> dict[str, str]:
    """The variables, by name. Writes the SDKs' defaults file into the data folder."""
    keys = Keyring.open(settings.credentials, settings.account, settings.region).first
    python_path = [str(_SITE), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        "AWS_ENDPOINT_URL": settings.url,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_REGION": settings.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": _without_proxy(settings.host),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(_write_sdk_defaults(settings)),
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(python_path)),
    }


def _settings(data: Path | None) -> Settings:
    settings = settings_or_exit(data=data)
    return running_settings(settings) or settings


def _without_proxy(host: str) -> str:
    known = [name for name in os.environ.get("NO_PROXY", "").split(",") if name]
    return ",".join(dict.fromkeys([*known, "127.0.0.1", "localhost", host]))


def _write_sdk_defaults(settings: Settings) -> Path:
    """The SageMaker SDK's own defaults file (sagemaker/config/config_schema.py): bucket, role, no telemetry."""
    role = f"arn:aws:iam::{settings.account}:role/{_ROLE}"
    lines = [
        "SchemaVersion: '1.0'",
        "SageMaker:",
        "  PythonSDK:",
        "    Modules:",
        "      TelemetryOptOut: true",
        "      Session:",
        f"        DefaultS3Bucket: sagemaker-{settings.region}-{settings.account}",
    ]
    for section, member in _ROLE_SECTIONS.items():
        lines += [f"  {section}:", f"    {member}: {role}"]
    folder = settings.data / "client"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.yaml"
    file.write_text("\n".join(lines) + "\n")
    return file
