"""EventBridge hears of every status a job takes (feature A18; DG automating-sagemaker-with-eventbridge)."""

from __future__ import annotations

import json

from support.jobs import archive, bucket, script_job, wait_for_job
from support.server import SKLEARN, Server

GROUP = "arn:aws:logs:us-east-1:{account}:log-group:/aws/events/training"
KIND = "SageMaker Training Job State Change"


def test_a_rule_sees_a_training_job_from_its_start_to_its_end(server: Server) -> None:
    events, sagemaker, s3 = (server.client(name) for name in ("events", "sagemaker", "s3"))
    account = server.client("sts").get_caller_identity()["Account"]
    pattern = {"source": ["aws.sagemaker"], "detail-type": [KIND], "detail": {"TrainingJobName": ["events-job"]}}
    events.put_rule(Name="training", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="training", Targets=[{"Id": "log", "Arn": GROUP.format(account=account)}])
    store = bucket(server, "events")
    for name in ("events-job", "other-job"):
        s3.put_object(Bucket=store, Key=f"{name}/sourcedir.tar.gz", Body=archive({"train.py": "print('hello')"}))
        sagemaker.create_training_job(**script_job(name, store, SKLEARN, Tags=[{"Key": "team", "Value": "risk"}]))
        done = wait_for_job(sagemaker, name)
    page = server.client("logs").get_log_events(
        logGroupName="/aws/events/training", logStreamName="training", startFromHead=True
    )
    told = [json.loads(event["message"]) for event in page["events"]]
    assert {event["detail"]["TrainingJobName"] for event in told} == {"events-job"}
    assert [event["detail"]["TrainingJobStatus"] for event in told][-1] == "Completed"
    secondary = [event["detail"]["SecondaryStatus"] for event in told]
    assert secondary[-3:] == ["Training", "Uploading", "Completed"]
    assert len(set(secondary)) == len(secondary)
    last = told[-1]
    assert last["resources"] == [done["TrainingJobArn"].replace("other", "events")]
    assert last["detail"]["Tags"] == {"team": "risk"}
    assert last["detail"]["TrainingEndTime"] > last["detail"]["CreationTime"] > 1_000_000_000_000
    assert last["detail"]["ModelArtifacts"]["S3ModelArtifacts"].endswith("model.tar.gz")
