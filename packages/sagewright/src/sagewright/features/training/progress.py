"""A training job's status document and how it moves: pure functions from one document to the next.

Public members are DescribeTrainingJob's. ``Run`` is our own and never shown (it is no member of the output shape):
Stream (log stream of algo-1), Began (when the instances of this attempt were there), Spent (seconds of earlier attempts),
Leaving (this attempt ends and another follows: leaving.py), Stop ({Why, Signalled}), Abandoned (when the instances that were left
were told to end, because one had failed), Outcome ({Status, Secondary, Message, FailureReason}), Pool, Free and Until (the warm
pool: warm_pool.py). The messages are what AWS shows and the Python SDK prints.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sagewright.features.training import channels
from sagewright.jobs.progress import FAILURE_REASON_LIMIT, SPOKEN
from sagewright.store.rows import Document

Status = Mapping[str, Any]

TERMINAL = SPOKEN.terminal

STARTING = "Starting the training job"
DOWNLOADING = "Downloading input data"
COPYING = "FastFile and Pipe data is copied before the training starts, because no file system can be mounted here: {}."
TRAINING = "Training image download completed. Training in progress."
STOPPING = "Stopping the training job"
UPLOADING = "Uploading generated training model"

ENDINGS = {
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job runtime exceeded MaxWaitTimeInSeconds provided",
}


def created(now: float) -> Document:
    """The status of a job that has just been asked for."""
    return {
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Starting",
        "SecondaryStatusTransitions": [{"Status": "Starting", "StartTime": now, "StatusMessage": STARTING}],
        "Run": {},
    }


def downloading(spec: Mapping[str, Any], copying: str) -> str:
    """The message of Downloading; ``copying`` says why data that should be streamed cannot be."""
    return f"{DOWNLOADING}. {COPYING.format(copying)}" if copying and channels.streams(spec) else DOWNLOADING


def entered(status: Status, secondary: str, message: str, now: float) -> Document:
    """The status after a step to ``secondary``; within the same secondary status only the message changes."""
    transitions = [dict(transition) for transition in status.get("SecondaryStatusTransitions", ())]
    if transitions and transitions[-1]["Status"] == secondary:
        transitions[-1]["StatusMessage"] = message
    else:
        if transitions:
            transitions[-1].setdefault("EndTime", now)
        transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": message})
    return {**status, "SecondaryStatus": secondary, "SecondaryStatusTransitions": transitions}


def begun(status: Status, stream: str, message: str, now: float) -> Document:
    """The instances are there: paid time begins (DescribeTrainingJob: TrainingStartTime, once), data is brought in."""
    run = {**status.get("Run", {}), "Stream": stream, "Began": now}
    return {"TrainingStartTime": now, **entered(status, "Downloading", message, now), "Run": run}


def seconds(status: Status, now: float) -> float:
    """How long the job has had its instances, all attempts together."""
    run = status.get("Run", {})
    began: float = run.get("Began") or (status.get("TrainingStartTime", now) if "Stream" in run else now)
    spent: float = run.get("Spent", 0.0)
    return spent + max(0.0, now - began)


def stopping(status: Status, why: str, now: float) -> Document:
    """Somebody or the clock wants the job to end; ``why`` is the secondary status it will end with."""
    run = {**status.get("Run", {}), "Stop": {"Why": why}}
    return {**entered(status, "Stopping", STOPPING, now), "TrainingJobStatus": "Stopping", "Run": run}


def stop_requested(status: Status, now: float) -> Document:
    """StopTrainingJob: what is over already is not stopped any more, but the job ends as Stopped."""
    outcome = status.get("Run", {}).get("Outcome")
    if outcome is None:
        return stopping(status, "Stopped", now)
    kept = outcome if outcome["Status"] == "Failed" else {"Status": "Stopped", "Secondary": "Stopped"}
    return {**status, "TrainingJobStatus": "Stopping", "Run": {**status["Run"], "Outcome": kept}}


def signalled(status: Status, now: float) -> Document:
    """SIGTERM has been sent."""
    run = status["Run"]
    return {**status, "Run": {**run, "Stop": {**run["Stop"], "Signalled": now}}}


def abandoned(status: Status, now: float) -> Document:
    """One instance has failed, and the others have been told to end."""
    return {**status, "Run": {**status["Run"], "Abandoned": now}}


def settled(status: Status, outcome: Mapping[str, str], message: str, now: float) -> Document:
    """The containers have ended and it is known how; what they wrote is brought out."""
    return {**entered(status, "Uploading", message, now), "Run": {**status.get("Run", {}), "Outcome": dict(outcome)}}


def finished(status: Status, outcome: Mapping[str, str], now: float, price: float = 1.0) -> Document:
    """The last status. Times are given only when an instance was there; ``price`` is what a second costs, a full one being 1."""
    secondary = outcome["Secondary"]
    last = entered(status, secondary, ENDINGS[secondary], now)
    last["SecondaryStatusTransitions"][-1]["EndTime"] = now
    last["TrainingJobStatus"] = outcome["Status"]
    if outcome.get("FailureReason"):
        last["FailureReason"] = outcome["FailureReason"][:FAILURE_REASON_LIMIT]
    if status.get("TrainingStartTime"):
        trained = max(1, round(seconds(status, now)))
        billable = max(1, math.ceil(trained * price))
        last |= {"TrainingEndTime": now, "TrainingTimeInSeconds": trained, "BillableTimeInSeconds": billable}
    return last


def measured(status: Status, metrics: tuple[Document, ...]) -> Document:
    """With a FinalMetricDataList; what an earlier attempt found and this one did not stays."""
    known = {metric["MetricName"]: metric for metric in status.get("FinalMetricDataList", ())}
    known |= {metric["MetricName"]: metric for metric in metrics}
    return {**status, "FinalMetricDataList": [known[name] for name in sorted(known)]} if known else dict(status)


def artifacts(spec: Mapping[str, Any]) -> Document:
    """ModelArtifacts: where the model of a finished job lies."""
    root = output_root(spec)
    plain = spec["OutputDataConfig"].get("CompressionType") == "NONE"
    return {"S3ModelArtifacts": f"{root}/model/" if plain else f"{root}/model.tar.gz"}


def output_root(spec: Mapping[str, Any]) -> str:
    """``s3://bucket/prefix/job/output``: one slash between the parts, whatever the S3OutputPath ends with."""
    return f"{spec['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{spec['TrainingJobName']}/output"
