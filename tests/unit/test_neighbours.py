"""The neighbours through boto3: what SageMaker's clients read of STS, IAM, CloudWatch Logs and CloudWatch (API references of each). Feature rows N05, O09."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import CALLER, WORLD, Harness, Parts

from sagewright.base.clock import VirtualClock
from sagewright.compute.oci.layout import Layout
from sagewright.kernel.loop import Loop
from sagewright.neighbours.services import controllers, neighbours
from sagewright.wire.credentials import Keyring

TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
DAY = 86_400_000


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring.open(tmp_path_factory.mktemp("keys") / "credentials.json")


@pytest.fixture(scope="module")
def started(keyring: Keyring, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    clock = VirtualClock()

    def install(parts: Parts) -> None:
        for service, handlers in neighbours(
            parts.store, keyring, Layout(tmp_path_factory.mktemp("registry")), "http://127.0.0.1:8400"
        ).items():
            for name, handler in handlers.items():
                parts.operations.write(service, name, handler)

    with Harness(clock, install=install) as harness:
        yield harness


@pytest.fixture(scope="module")
def client(started: Harness) -> Callable[[str], Any]:
    """boto3 takes half a second to make a client."""
    return cache(started.client)


@pytest.fixture
def sagewright(started: Harness) -> Harness:
    started.run(started.parts.store.empty())
    return started


@pytest.fixture
def now(sagewright: Harness) -> float:
    return sagewright.clock.now()


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def status_of(error: pytest.ExceptionInfo[ClientError]) -> int:
    return int(error.value.response["ResponseMetadata"]["HTTPStatusCode"])


class TestSts:
    @pytest.fixture
    def sts(self, sagewright: Harness, client: Callable[[str], Any]) -> Any:
        return client("sts")

    def test_the_caller_s_identity(self, sts: Any) -> None:
        found = sts.get_caller_identity()
        assert (found["Account"], found["Arn"]) == (WORLD.account, CALLER.arn)
        assert found["UserId"].startswith("AIDA")

    def test_an_assumed_role_s_keys_are_valid_until_they_expire(self, sts: Any, keyring: Keyring, now: float) -> None:
        arn = "arn:aws:iam::999988887777:role/service-role/Reader"
        answer = sts.assume_role(RoleArn=arn, RoleSessionName="me", DurationSeconds=900, SourceIdentity="you")
        keys = answer["Credentials"]
        assert keys["Expiration"].timestamp() == now + 900
        principal = keyring.look_up(keys["AccessKeyId"], keys["SessionToken"], now)
        assert (principal.account, principal.secret) == ("999988887777", keys["SecretAccessKey"])
        assert principal.arn == answer["AssumedRoleUser"]["Arn"] == "arn:aws:sts::999988887777:assumed-role/Reader/me"
        assert answer["AssumedRoleUser"]["AssumedRoleId"].endswith(":me")
        assert answer["SourceIdentity"] == "you"

    @pytest.mark.parametrize("arn", ["arn:aws:iam::123456789012:user/someone", "arn:aws:iam::1:role/short-account"])
    def test_what_is_no_role_is_refused(self, sts: Any, arn: str) -> None:
        with pytest.raises(ClientError) as error:
            sts.assume_role(RoleArn=arn, RoleSessionName="me")
        assert code_of(error) == "ValidationError"

    def test_what_would_narrow_the_keys_is_refused_because_nothing_would(self, sts: Any) -> None:
        with pytest.raises(ClientError, match="Policy"):
            sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="me", Policy="{}")

    def test_no_longer_than_the_role_allows(self, sagewright: Harness, sts: Any) -> None:
        sagewright.client("iam").create_role(RoleName="short", AssumeRolePolicyDocument=TRUST)
        with pytest.raises(ClientError, match="MaxSessionDuration"):
            sts.assume_role(RoleArn=f"arn:aws:iam::{WORLD.account}:role/short", RoleSessionName="me", DurationSeconds=3601)

    def test_a_session_token_stands_for_the_caller(self, sts: Any, keyring: Keyring, now: float) -> None:
        keys = sts.get_session_token(DurationSeconds=900)["Credentials"]
        assert keyring.look_up(keys["AccessKeyId"], keys["SessionToken"], now).arn == CALLER.arn


class TestRoles:
    @pytest.fixture
    def iam(self, sagewright: Harness, client: Callable[[str], Any]) -> Any:
        return client("iam")

    def test_a_role_nobody_created_is_there_and_trusts_sagemaker(self, iam: Any) -> None:
        """clients.md 0.2: v3 of the SDK refuses a role that GetRole does not know or that does not trust SageMaker."""
        role = iam.get_role(RoleName="MyRole")["Role"]
        assert role["Arn"] == f"arn:aws:iam::{WORLD.account}:role/MyRole"
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        for service in ("sagemaker", "lambda", "events", "scheduler", "bedrock"):
            assert f"{service}.amazonaws.com" in statement["Principal"]["Service"]
        assert iam.get_role(RoleName="MyRole")["Role"] == role
        assert [known["RoleName"] for known in iam.list_roles()["Roles"]] == ["MyRole"]

    def test_a_created_role_is_as_asked_for(self, iam: Any, now: float) -> None:
        made = iam.create_role(
            RoleName="r",
            Path="/team/",
            Description="d",
            MaxSessionDuration=7200,
            AssumeRolePolicyDocument=TRUST,
            Tags=[{"Key": "k", "Value": "v"}],
        )["Role"]
        assert made["Arn"] == f"arn:aws:iam::{WORLD.account}:role/team/r"
        assert made["CreateDate"].timestamp() == now
        assert made["AssumeRolePolicyDocument"] == json.loads(TRUST)
        assert (made["Description"], made["MaxSessionDuration"], made["Tags"]) == ("d", 7200, [{"Key": "k", "Value": "v"}])
        assert iam.get_role(RoleName="r")["Role"] == made

    def test_a_name_is_taken_once_but_not_by_first_use(self, iam: Any) -> None:
        iam.get_role(RoleName="r")
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
        with pytest.raises(iam.exceptions.EntityAlreadyExistsException) as error:
            iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
        assert (code_of(error), status_of(error)) == ("EntityAlreadyExists", 409)

    def test_a_deleted_role_stays_away_until_it_is_created(self, iam: Any) -> None:
        iam.get_role(RoleName="r")
        iam.delete_role(RoleName="r")
        for call in (iam.get_role, iam.delete_role):
            with pytest.raises(iam.exceptions.NoSuchEntityException) as error:
                call(RoleName="r")
            assert (code_of(error), status_of(error)) == ("NoSuchEntity", 404)
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
        iam.delete_role(RoleName="r")

    def test_deleting_waits_for_policies(self, iam: Any) -> None:
        iam.attach_role_policy(RoleName="r", PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess")
        iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=TRUST)
        with pytest.raises(iam.exceptions.DeleteConflictException):
            iam.delete_role(RoleName="r")
        iam.detach_role_policy(RoleName="r", PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess")
        with pytest.raises(iam.exceptions.DeleteConflictException):
            iam.delete_role(RoleName="r")
        iam.delete_role_policy(RoleName="r", PolicyName="p")
        iam.delete_role(RoleName="r")

    def test_malformed_documents_are_refused(self, iam: Any) -> None:
        for document in ("{", "[]", "{}"):
            with pytest.raises(iam.exceptions.MalformedPolicyDocumentException):
                iam.create_role(RoleName="r", AssumeRolePolicyDocument=document)

    def test_changes(self, iam: Any) -> None:
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
        other = json.dumps({"Statement": [{"Effect": "Deny"}]})
        iam.update_assume_role_policy(RoleName="r", PolicyDocument=other)
        iam.update_role(RoleName="r", Description="new")
        role = iam.get_role(RoleName="r")["Role"]
        assert (role["AssumeRolePolicyDocument"], role["Description"]) == (json.loads(other), "new")

    def test_tags(self, iam: Any) -> None:
        iam.tag_role(RoleName="r", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
        iam.untag_role(RoleName="r", TagKeys=["a"])
        assert iam.list_role_tags(RoleName="r")["Tags"] == [{"Key": "b", "Value": "2"}]
        with pytest.raises(iam.exceptions.LimitExceededException):
            iam.tag_role(RoleName="r", Tags=[{"Key": str(number), "Value": ""} for number in range(50)])
        assert len(iam.list_role_tags(RoleName="r")["Tags"]) == 1

    def test_attached_and_inline_policies(self, iam: Any) -> None:
        for name in ("B", "A"):
            iam.attach_role_policy(RoleName="r", PolicyArn=f"arn:aws:iam::aws:policy/service-role/{name}")
        assert [policy["PolicyName"] for policy in iam.list_attached_role_policies(RoleName="r")["AttachedPolicies"]] == [
            "A",
            "B",
        ]
        iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=TRUST)
        assert iam.list_role_policies(RoleName="r")["PolicyNames"] == ["p"]
        assert iam.get_role_policy(RoleName="r", PolicyName="p")["PolicyDocument"] == json.loads(TRUST)
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            iam.get_role_policy(RoleName="r", PolicyName="q")
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            iam.attach_role_policy(RoleName="r", PolicyArn=f"arn:aws:iam::{WORLD.account}:policy/nobody")

    def test_lists_come_in_pages(self, iam: Any) -> None:
        for number in range(5):
            iam.create_role(RoleName=f"r{number}", Path="/x/", AssumeRolePolicyDocument=TRUST)
        iam.get_role(RoleName="elsewhere")
        pages = list(iam.get_paginator("list_roles").paginate(PathPrefix="/x/", PaginationConfig={"PageSize": 2}))
        assert [[role["RoleName"] for role in page["Roles"]] for page in pages] == [["r0", "r1"], ["r2", "r3"], ["r4"]]
        with pytest.raises(ClientError, match="Marker"):
            iam.list_roles(Marker="bm9uc2Vuc2U=")

    def test_roles_of_one_account_are_in_all_its_regions_and_in_no_other_account(self, sagewright: Harness, iam: Any) -> None:
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
        assert len(sagewright.client("iam", region="eu-west-1").list_roles()["Roles"]) == 1
        assert sagewright.client("iam", account="999988887777").list_roles()["Roles"] == []


class TestPolicies:
    @pytest.fixture
    def iam(self, sagewright: Harness, client: Callable[[str], Any]) -> Any:
        return client("iam")

    def test_a_policy_s_life(self, iam: Any) -> None:
        policy = iam.create_policy(PolicyName="p", PolicyDocument=TRUST, Description="d")["Policy"]
        arn = policy["Arn"]
        assert (arn, policy["DefaultVersionId"]) == (f"arn:aws:iam::{WORLD.account}:policy/p", "v1")
        with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
            iam.create_policy(PolicyName="p", PolicyDocument=TRUST)
        iam.attach_role_policy(RoleName="r", PolicyArn=arn)
        assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
        with pytest.raises(iam.exceptions.DeleteConflictException):
            iam.delete_policy(PolicyArn=arn)
        iam.detach_role_policy(RoleName="r", PolicyArn=arn)
        iam.delete_policy(PolicyArn=arn)
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            iam.get_policy(PolicyArn=arn)

    def test_versions(self, iam: Any) -> None:
        arn = iam.create_policy(PolicyName="p", PolicyDocument=TRUST)["Policy"]["Arn"]
        other = json.dumps({"Statement": [1]})
        made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=other, SetAsDefault=True)["PolicyVersion"]
        assert (made["VersionId"], made["IsDefaultVersion"]) == ("v2", True)
        assert iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"] == json.loads(other)
        listed = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        assert [(version["VersionId"], version["IsDefaultVersion"]) for version in listed] == [("v1", False), ("v2", True)]
        with pytest.raises(iam.exceptions.DeleteConflictException):
            iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
        with pytest.raises(iam.exceptions.DeleteConflictException):
            iam.delete_policy(PolicyArn=arn)
        iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
        iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
        for _ in range(4):
            iam.create_policy_version(PolicyArn=arn, PolicyDocument=other)
        with pytest.raises(iam.exceptions.LimitExceededException):
            iam.create_policy_version(PolicyArn=arn, PolicyDocument=other)

    def test_lists(self, iam: Any) -> None:
        arns = [iam.create_policy(PolicyName=name, PolicyDocument=TRUST)["Policy"]["Arn"] for name in "ba"]
        iam.attach_role_policy(RoleName="r", PolicyArn=arns[0])
        assert [policy["PolicyName"] for policy in iam.list_policies(Scope="Local")["Policies"]] == ["a", "b"]
        assert [policy["PolicyName"] for policy in iam.list_policies(OnlyAttached=True)["Policies"]] == ["b"]

    def test_every_action_is_allowed(self, iam: Any) -> None:
        paginator = iam.get_paginator("simulate_principal_policy")
        pages = paginator.paginate(
            PolicySourceArn=f"arn:aws:iam::{WORLD.account}:role/r",
            ActionNames=["s3:GetObject", "s3:PutObject"],
            ResourceArns=["arn:aws:s3:::a", "arn:aws:s3:::b"],
            PaginationConfig={"PageSize": 3},
        )
        results = [result for page in pages for result in page["EvaluationResults"]]
        assert {result["EvalDecision"] for result in results} == {"allowed"}
        assert len({(result["EvalActionName"], result["EvalResourceName"]) for result in results}) == 4

    def test_a_role_has_no_instance_profiles(self, iam: Any) -> None:
        """Terraform asks before it deletes a role."""
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
        assert iam.list_instance_profiles_for_role(RoleName="r")["InstanceProfiles"] == []
        iam.delete_role(RoleName="r")
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            iam.list_instance_profiles_for_role(RoleName="r")

    def test_the_caller_is_the_only_user(self, iam: Any) -> None:
        assert iam.get_user()["User"]["Arn"] == CALLER.arn
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            iam.get_user(UserName="nobody")


class TestLogs:
    @pytest.fixture
    def logs(self, sagewright: Harness, client: Callable[[str], Any]) -> Any:
        return client("logs")

    @pytest.fixture
    def stream(self, logs: Any) -> dict[str, str]:
        logs.create_log_group(logGroupName="g")
        logs.create_log_stream(logGroupName="g", logStreamName="s")
        return {"logGroupName": "g", "logStreamName": "s"}

    def put(self, logs: Any, stream: dict[str, str], *events: tuple[float, str]) -> Any:
        return logs.put_log_events(**stream, logEvents=[{"timestamp": int(at), "message": text} for at, text in events])

    def test_what_was_put_is_read(self, logs: Any, stream: dict[str, str], now: float) -> None:
        at = now * 1000
        assert "rejectedLogEventsInfo" not in self.put(logs, stream, (at - 5, "a"), (at, "b"))
        self.put(logs, stream, (at - 3, "between"))
        page = logs.get_log_events(**stream, startFromHead=True)
        assert [event["message"] for event in page["events"]] == ["a", "between", "b"]
        assert page["events"][0]["ingestionTime"] == int(at)
        again = logs.get_log_events(**stream, startFromHead=True, nextToken=page["nextForwardToken"])
        assert (again["events"], again["nextForwardToken"]) == ([], page["nextForwardToken"])

    def test_what_is_missing_or_there_already(self, logs: Any, stream: dict[str, str]) -> None:
        missing = logs.exceptions.ResourceNotFoundException
        for call in (logs.get_log_events, logs.create_log_stream, logs.delete_log_stream):
            with pytest.raises(missing, match="log group"):
                call(logGroupName="no", logStreamName="s")
        for call in (logs.get_log_events, logs.delete_log_stream):
            with pytest.raises(missing, match="log stream"):
                call(logGroupName="g", logStreamName="no")
        for call in (logs.describe_log_streams, logs.filter_log_events, logs.delete_log_group):
            with pytest.raises(missing, match="log group"):
                call(logGroupName="no")
        with pytest.raises(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName="g")
        with pytest.raises(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_stream(**stream)

    def test_a_deleted_stream_takes_its_events_along(self, logs: Any, stream: dict[str, str], now: float) -> None:
        other = {**stream, "logStreamName": "other"}
        logs.create_log_stream(**other)
        for target in (stream, other):
            self.put(logs, target, (now * 1000, target["logStreamName"]))
        logs.delete_log_stream(**stream)
        assert [found["logStreamName"] for found in logs.describe_log_streams(logGroupName="g")["logStreams"]] == ["other"]
        logs.create_log_stream(**stream)
        assert logs.get_log_events(**stream)["events"] == []
        assert [event["message"] for event in logs.get_log_events(**other)["events"]] == ["other"]

    def test_groups_in_pages_by_prefix_and_by_part(self, logs: Any) -> None:
        for name in ("/aws/b", "/aws/a", "/aws/c", "other"):
            logs.create_log_group(logGroupName=name)
        pages = list(
            logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/aws/", PaginationConfig={"PageSize": 2})
        )
        assert [[group["logGroupName"] for group in page["logGroups"]] for page in pages] == [["/aws/a", "/aws/b"], ["/aws/c"]]
        assert [group["logGroupName"] for group in logs.describe_log_groups(logGroupNamePattern="THE")["logGroups"]] == [
            "other"
        ]
        arn = logs.describe_log_groups()["logGroups"][0]["arn"]
        assert logs.describe_log_streams(logGroupIdentifier=arn.removesuffix(":*"))["logStreams"] == []

    def test_up_to_fifty_streams_come_without_a_token(self, logs: Any, stream: dict[str, str]) -> None:
        """clients.md 5: v2 of the SDK drops the token and would ask for ever."""
        for number in range(49):
            logs.create_log_stream(logGroupName="g", logStreamName=f"job/algo-{number}")
        answer = logs.describe_log_streams(logGroupName="g")
        assert len(answer["logStreams"]) == 50
        assert "nextToken" not in answer
        logs.create_log_stream(logGroupName="g", logStreamName="z")
        pages = list(logs.get_paginator("describe_log_streams").paginate(logGroupName="g"))
        assert [len(page["logStreams"]) for page in pages] == [50, 1]
        assert len(logs.describe_log_streams(logGroupName="g", logStreamNamePrefix="job/", limit=50)["logStreams"]) == 49

    def test_a_stream_s_times(self, logs: Any, stream: dict[str, str], now: float) -> None:
        (before,) = logs.describe_log_streams(logGroupName="g")["logStreams"]
        assert "lastEventTimestamp" not in before
        at = int(now * 1000)
        self.put(logs, stream, (at - 9, "a"), (at - 4, "b"))
        (after,) = logs.describe_log_streams(logGroupName="g", orderBy="LastEventTime", descending=True)["logStreams"]
        assert (after["firstEventTimestamp"], after["lastEventTimestamp"], after["lastIngestionTime"]) == (at - 9, at - 4, at)
        with pytest.raises(logs.exceptions.InvalidParameterException):
            logs.describe_log_streams(logGroupName="g", orderBy="LastEventTime", logStreamNamePrefix="s")

    def test_filtering_pages_until_there_is_no_token(self, logs: Any, stream: dict[str, str], now: float) -> None:
        at = now * 1000
        self.put(logs, stream, *((at + number, f"{'ERROR' if number % 2 else 'INFO'} {number}") for number in range(6)))
        pages = list(
            logs.get_paginator("filter_log_events").paginate(
                logGroupName="g", filterPattern="ERROR", PaginationConfig={"PageSize": 2}
            )
        )
        assert [event["message"] for page in pages for event in page["events"]] == ["ERROR 1", "ERROR 3", "ERROR 5"]
        with pytest.raises(logs.exceptions.InvalidParameterException, match="pattern"):
            logs.filter_log_events(logGroupName="g", filterPattern="{ $.a = 1 }")
        with pytest.raises(logs.exceptions.ResourceNotFoundException):
            logs.filter_log_events(logGroupName="g", logStreamNames=["no"])

    def test_batches_that_are_refused(self, logs: Any, stream: dict[str, str], now: float) -> None:
        at = now * 1000
        for events in (
            [(at, "later"), (at - 1, "earlier")],
            [(at - 2 * DAY, "a"), (at, "b")],
            [(at, "x" * 600_000), (at, "x" * 600_000)],
        ):
            with pytest.raises(logs.exceptions.InvalidParameterException):
                self.put(logs, stream, *events)

    def test_events_out_of_time_are_rejected_one_by_one(self, logs: Any, stream: dict[str, str], now: float) -> None:
        at = now * 1000
        old = self.put(logs, stream, (at - 14 * DAY - 1, "old"), (at - 14 * DAY + 10, "fine"))
        assert old["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
        new = self.put(logs, stream, (at, "fine"), (at + 3 * 3_600_000, "new"))
        assert new["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
        assert len(logs.get_log_events(**stream, startFromHead=True)["events"]) == 2

    def test_retention_hides_expired_events_and_removes_them(
        self, sagewright: Harness, logs: Any, stream: dict[str, str]
    ) -> None:
        at = sagewright.clock.now() * 1000
        self.put(logs, stream, (at, "old"))
        logs.put_retention_policy(logGroupName="g", retentionInDays=1)
        assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 1
        sagewright.clock.advance(2 * 86_400)  # type: ignore[attr-defined]
        self.put(logs, stream, (sagewright.clock.now() * 1000, "new"))
        assert [event["message"] for event in logs.get_log_events(**stream, startFromHead=True)["events"]] == ["new"]
        assert [event["message"] for event in logs.filter_log_events(logGroupName="g")["events"]] == ["new"]

        async def look() -> None:
            loop = Loop(sagewright.parts.store, controllers(sagewright.parts.store, lambda identity: None), twice=True)
            await loop.start()
            await loop.idle()
            await loop.close()

        sagewright.run(look())
        logs.delete_retention_policy(logGroupName="g")
        assert [event["message"] for event in logs.get_log_events(**stream, startFromHead=True)["events"]] == ["new"]
        with pytest.raises(logs.exceptions.InvalidParameterException):
            logs.put_retention_policy(logGroupName="g", retentionInDays=2)

    def test_a_deleted_group_s_events_do_not_come_back(self, logs: Any, stream: dict[str, str], now: float) -> None:
        self.put(logs, stream, (now * 1000, "a"))
        logs.delete_log_group(logGroupName="g")
        logs.create_log_group(logGroupName="g")
        logs.create_log_stream(**stream)
        assert logs.get_log_events(**stream)["events"] == []

    def test_what_is_not_honoured_is_refused(self, logs: Any) -> None:
        with pytest.raises(logs.exceptions.InvalidParameterException, match="kmsKeyId"):
            logs.create_log_group(logGroupName="g", kmsKeyId="k")
        with pytest.raises(logs.exceptions.InvalidParameterException, match="STANDARD"):
            logs.create_log_group(logGroupName="g", logGroupClass="INFREQUENT_ACCESS")

    def test_tags(self, logs: Any) -> None:
        logs.create_log_group(logGroupName="g", tags={"a": "1"})
        arn = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]
        logs.tag_resource(resourceArn=arn, tags={"b": "2"})
        logs.untag_resource(resourceArn=arn, tagKeys=["a"])
        assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}


class TestCloudWatch:
    @pytest.fixture
    def cloudwatch(self, sagewright: Harness, client: Callable[[str], Any]) -> Any:
        return client("cloudwatch")

    def put(self, cloudwatch: Any, *data: dict[str, Any]) -> None:
        defaults = {"MetricName": "m", "Dimensions": [{"Name": "d", "Value": "1"}]}
        cloudwatch.put_metric_data(Namespace="N", MetricData=[{**defaults, **datum} for datum in data])

    def statistics(self, cloudwatch: Any, now: float, **wanted: Any) -> list[dict[str, Any]]:
        defaults = {
            "Namespace": "N",
            "MetricName": "m",
            "Dimensions": [{"Name": "d", "Value": "1"}],
            "StartTime": now - 600,
            "EndTime": now + 600,
            "Period": 60,
            "Statistics": ["Average"],
        }
        given = {name: value for name, value in {**defaults, **wanted}.items() if value is not None}
        answer: list[dict[str, Any]] = cloudwatch.get_metric_statistics(**given)["Datapoints"]
        return answer

    def test_statistics_of_what_was_put(self, cloudwatch: Any, now: float) -> None:
        begin = now // 60 * 60
        self.put(
            cloudwatch,
            {"Value": 1.0, "Timestamp": begin, "Unit": "Seconds"},
            {"Value": 3.0, "Timestamp": begin + 59, "Unit": "Seconds"},
            {"Values": [1.0, 5.0], "Counts": [3.0, 1.0], "Timestamp": begin + 60, "Unit": "Seconds"},
            {"StatisticValues": {"SampleCount": 2, "Sum": 4, "Minimum": 1, "Maximum": 3}, "Timestamp": begin + 120},
        )
        first, second, third = self.statistics(
            cloudwatch, now, Statistics=["Average", "SampleCount", "Sum", "Minimum", "Maximum"]
        )
        assert first["Timestamp"].timestamp() == begin
        assert [first[name] for name in ("Average", "SampleCount", "Sum", "Minimum", "Maximum")] == [2.0, 2.0, 4.0, 1.0, 3.0]
        assert (second["Average"], second["SampleCount"], second["Unit"]) == (2.0, 4.0, "Seconds")
        assert (third["Average"], third["Unit"]) == (2.0, "None")
        extended = self.statistics(cloudwatch, now, Statistics=None, ExtendedStatistics=["p50", "p100"])
        assert [point.get("ExtendedStatistics") for point in extended] == [
            {"p50": 1.0, "p100": 3.0},
            {"p50": 1.0, "p100": 5.0},
            None,
        ]

    def test_questions_that_are_refused(self, cloudwatch: Any, now: float) -> None:
        for wanted, code in (
            ({"Period": 61}, "InvalidParameterValue"),
            ({"Statistics": None}, "MissingParameter"),
            ({"StartTime": now, "EndTime": now - 60}, "InvalidParameterCombination"),
            ({"StartTime": now - 86_400 * 10}, "InvalidParameterCombination"),
            ({"Statistics": None, "ExtendedStatistics": ["q5"]}, "InvalidParameterValue"),
        ):
            with pytest.raises(ClientError) as error:
                self.statistics(cloudwatch, now, **wanted)
            assert code_of(error).removesuffix("Exception") == code

    def test_data_that_are_refused_wholly(self, cloudwatch: Any, now: float) -> None:
        for datum in (
            {"Value": 1.0, "Values": [1.0]},
            {},
            {"Values": [1.0], "Counts": [1.0, 2.0]},
            {"Value": 1.0, "Timestamp": now - 15 * 86_400},
            {"Value": 1.0, "Dimensions": [{"Name": "d", "Value": "1"}] * 2},
        ):
            with pytest.raises(ClientError, match="InvalidParameter"):
                self.put(cloudwatch, {"Value": 5.0}, datum)
        assert self.statistics(cloudwatch, now) == []

    def test_metric_data_of_several_metrics_in_pages(self, cloudwatch: Any, now: float) -> None:
        begin = now // 60 * 60
        for name in ("a", "b"):
            self.put(
                cloudwatch,
                *({"MetricName": name, "Value": float(number), "Timestamp": begin + 60 * number} for number in range(5)),
            )
        queries = [
            {
                "Id": name,
                "MetricStat": {
                    "Metric": {"Namespace": "N", "MetricName": name, "Dimensions": [{"Name": "d", "Value": "1"}]},
                    "Period": 60,
                    "Stat": "Sum",
                },
            }
            for name in ("a", "b")
        ]
        wanted = {"MetricDataQueries": queries, "StartTime": begin, "EndTime": begin + 600, "ScanBy": "TimestampAscending"}
        whole = cloudwatch.get_metric_data(**wanted)
        assert [(result["Id"], result["Values"]) for result in whole["MetricDataResults"]] == [
            ("a", [0, 1, 2, 3, 4]),
            ("b", [0, 1, 2, 3, 4]),
        ]
        assert "NextToken" not in whole
        seen: dict[str, list[float]] = {"a": [], "b": []}
        pages = 0
        for page in cloudwatch.get_paginator("get_metric_data").paginate(**wanted, MaxDatapoints=3):
            pages += 1
            for result in page["MetricDataResults"]:
                seen[result["Id"]] += result["Values"]
        assert (pages, seen) == (4, {"a": [0, 1, 2, 3, 4], "b": [0, 1, 2, 3, 4]})
        newest = cloudwatch.get_metric_data(MetricDataQueries=queries[:1], StartTime=begin, EndTime=begin + 600)
        assert newest["MetricDataResults"][0]["Values"] == [4, 3, 2, 1, 0]

    def test_sql_is_refused(self, cloudwatch: Any, now: float) -> None:
        with pytest.raises(ClientError, match="Error in metric data queries"):
            cloudwatch.get_metric_data(
                MetricDataQueries=[{"Id": "e", "Expression": "SELECT AVG(x) FROM y"}], StartTime=now - 60, EndTime=now
            )

    def test_metrics_are_listed(self, cloudwatch: Any, now: float) -> None:
        self.put(cloudwatch, {"MetricName": "x", "Value": 1.0}, {"MetricName": "y", "Value": 1.0, "Timestamp": now - 86_400})
        assert [metric["MetricName"] for metric in cloudwatch.list_metrics(Namespace="N")["Metrics"]] == ["x", "y"]
        assert [metric["MetricName"] for metric in cloudwatch.list_metrics(RecentlyActive="PT3H")["Metrics"]] == ["x"]
        (metric,) = cloudwatch.list_metrics(MetricName="y", Dimensions=[{"Name": "d"}])["Metrics"]
        assert metric["Dimensions"] == [{"Name": "d", "Value": "1"}]
        assert cloudwatch.list_metrics(Dimensions=[{"Name": "d", "Value": "2"}])["Metrics"] == []
