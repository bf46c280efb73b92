"""``logs``: what a job or an endpoint has printed, as it comes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any

import botocore.exceptions
import typer

from sagewright.cli.client import client, connect
from sagewright.cli.options import Data, console, fail, settings_or_exit

_PAUSE = 0.3
_JOBS = {
    "training": ("/aws/sagemaker/TrainingJobs", "describe_training_job", "TrainingJobName", "TrainingJobStatus"),
    "processing": ("/aws/sagemaker/ProcessingJobs", "describe_processing_job", "ProcessingJobName", "ProcessingJobStatus"),
    "transform": ("/aws/sagemaker/TransformJobs", "describe_transform_job", "TransformJobName", "TransformJobStatus"),
}
_ENDED = frozenset({"Completed", "Failed", "Stopped"})


def logs(
    name: Annotated[str, typer.Argument(help="A training, processing or transform job, or an endpoint.", show_default=False)],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job ends (an endpoint: until Ctrl-C).")
    ] = False,
    data: Data = None,
) -> None:
    """Print the log of a training, processing or transform job, or of an endpoint."""
    settings = connect(settings_or_exit(data=data))
    source = _Source.find(client(settings, "sagemaker"), client(settings, "logs"), name)
    if source is None:
        fail(f"there is no training, processing or transform job and no endpoint named {name}")
    try:
        for message in source.messages(follow):
            console.print(message, markup=False, highlight=False, soft_wrap=True)
    except KeyboardInterrupt:
        raise typer.Exit from None


class _Source:
    """The log streams of one resource, read with GetLogEvents as the SDKs do."""

    def __init__(self, logs_client: Any, group: str, prefix: str, ended: Any) -> None:
        self._logs, self._group, self._prefix, self._ended = logs_client, group, prefix, ended
        self._tokens: dict[str, str] = {}

    @classmethod
    def find(cls, sagemaker: Any, logs_client: Any, name: str) -> _Source | None:
        for group, describe, member, status in _JOBS.values():
            call = _quietly(sagemaker, describe, member, name)
            if call is not None:
                return cls(
                    logs_client,
                    group,
                    f"{name}/",
                    lambda d=describe, m=member, s=status: _quietly(sagemaker, d, m, name)[s] in _ENDED,
                )
        if _quietly(sagemaker, "describe_endpoint", "EndpointName", name) is not None:
            return cls(logs_client, f"/aws/sagemaker/Endpoints/{name}", "", lambda: False)
        return None

    def messages(self, follow: bool) -> Iterator[str]:
        """Every line once; with ``follow`` until the resource has ended and its last line is out."""
        while True:
            ended = not follow or self._ended()
            yield from self._new()
            if ended:
                return
            time.sleep(_PAUSE)

    def _new(self) -> Iterator[str]:
        for stream in self._streams():
            while True:
                token = self._tokens.get(stream)
                given = {"nextToken": token} if token else {}
                page = self._logs.get_log_events(logGroupName=self._group, logStreamName=stream, startFromHead=True, **given)
                yield from (event["message"] for event in page["events"])
                self._tokens[stream] = page["nextForwardToken"]
                if not page["events"]:
                    break

    def _streams(self) -> list[str]:
        prefix = {"logStreamNamePrefix": self._prefix} if self._prefix else {}
        try:
            page = self._logs.describe_log_streams(logGroupName=self._group, **prefix)
        except self._logs.exceptions.ResourceNotFoundException:
            return []  # nothing has been printed yet
        return [stream["logStreamName"] for stream in page["logStreams"]]


def _quietly(sagemaker: Any, describe: str, member: str, name: str) -> Any:
    try:
        return getattr(sagemaker, describe)(**{member: name})
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound"):
            return None
        raise
