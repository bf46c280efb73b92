"""Asynchronous endpoints without containers: the queue, its outcomes and what is told of them. Feature row K04."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from harness import WORLD, Harness, Parts
from support.objects import MemoryObjects
from support.waiting import until

from sagewright.base.clock import SystemClock
from sagewright.compute.http_connection import Broken, Chunks, StreamedAnswer, Unsent
from sagewright.compute.payload import FilePayload
from sagewright.compute.pipeline import Pipeline
from sagewright.compute.replica import Address
from sagewright.features.asynchronous import dispatcher
from sagewright.features.asynchronous.capacity import Capacity
from sagewright.features.asynchronous.feature import Asynchronous
from sagewright.neighbours.sns.operations import Sns
from sagewright.neighbours.sqs.operations import Sqs
from sagewright.signals import metrics
from sagewright.store.rows import Resource

KEY = "e"
CONFIG = {
    "OutputConfig": {"S3OutputPath": "s3://bucket/out", "S3FailurePath": "s3://bucket/bad/"},
    "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 2},
}


class Clock(SystemClock):
    """The system's, some seconds ahead."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


class Model:
    """A container: ``behave`` says what it does with a payload; ``most`` is how many it ever had at once."""

    def __init__(self) -> None:
        self.address = Address("frames", "/nowhere")
        self.in_flight = 0
        self.most = 0
        self.seen: list[tuple[bytes, dict[str, str]]] = []
        self.behave: Callable[[bytes], Any] = lambda body: (200, body.upper())
        self.gate = asyncio.Event()
        self.gate.set()

    async def stream(self, headers: Mapping[str, str], body: FilePayload, timeout: float) -> StreamedAnswer:
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            payload = body.file.read_bytes()
            self.seen.append((payload, dict(headers)))
            await self.gate.wait()
            status, answer = self.behave(payload)
        finally:
            self.in_flight -= 1
        parts = [answer]

        async def take() -> bytes | None:
            return parts.pop() if parts else None

        return StreamedAnswer(status, {"content-type": "text/loud"}, Chunks(take, lambda: None))

    def close(self) -> None:
        """Nothing is open."""


class Rig:
    """``routes`` is what the route snapshot would say."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.objects = MemoryObjects("bucket")
        self.folder = folder
        self.model = Model()
        self.routes: dict[str, dict[str, Any]] = {}
        self.harness = Harness(self.clock, install=self._install)

    def __enter__(self) -> Rig:
        self.harness.__enter__()
        self.harness.run(self._endpoint())
        self.harness.run(self.feature.open())
        self.runtime = self.harness.client("sagemaker-runtime")
        self.sqs, self.sns = self.harness.client("sqs"), self.harness.client("sns")
        return self

    def __exit__(self, *error: object) -> None:
        self.harness.run(self.feature.close())
        self.harness.__exit__(None, None, None)

    def _install(self, parts: Parts) -> None:
        for service, made in (("sqs", Sqs(parts.store, "http://127.0.0.1:1")), ("sns", Sns(parts.store))):
            for name, handler in made.operations().items():
                parts.operations.write(service, name, handler)
        self.feature = Asynchronous(
            parts.store,
            self.objects,
            lambda world, name: self.routes.get(name),
            lambda: [(WORLD, name, entry) for name, entry in self.routes.items()],
            self.folder,
            lambda address: self.model,  # type: ignore[arg-type,return-value]
        )
        self.feature.register(parts.engine, parts.operations)

    async def _endpoint(self) -> None:
        row = Resource(WORLD, "Endpoint", KEY, created=0.0)
        await self.harness.parts.store.write(lambda transaction: transaction.resources.insert(row))

    def serve(self, instances: int = 1, **changes: Any) -> None:
        places = [{"protocol": "frames", "socket": f"/{index}", "port": 8080} for index in range(instances)]
        variants = [{"name": "v", "weight": 1.0, "replicas": places}]
        self.routes[KEY] = {"arn": "a", "variants": variants, "async": {**CONFIG, **changes}}

    def topics(self, **more: Any) -> tuple[dict[str, Any], str]:
        """A configuration that tells a queue, and the queue's URL."""
        url = self.sqs.create_queue(QueueName="told")["QueueUrl"]
        topic = self.sns.create_topic(Name="told")["TopicArn"]
        arn = f"arn:aws:sqs:{WORLD.region}:{WORLD.account}:told"
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        told = {"SuccessTopic": topic, "ErrorTopic": topic, **more}
        return {"OutputConfig": {**CONFIG["OutputConfig"], "NotificationConfig": told}}, url

    def invoke(self, body: bytes = b"hello", **arguments: Any) -> dict[str, Any]:
        if "InputLocation" not in arguments:
            arguments["Body"] = body
        return dict(self.runtime.invoke_endpoint_async(EndpointName=KEY, **arguments))

    def told(self, url: str) -> dict[str, Any]:
        (message,) = self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        found: dict[str, Any] = json.loads(message["Body"])
        return found

    until = staticmethod(until)

    async def let_pass(self, seconds: float) -> None:
        """For all timers of the event loop."""
        loop = asyncio.get_running_loop()
        ahead = loop.time() - time.monotonic() + seconds
        loop.time = lambda: time.monotonic() + ahead  # type: ignore[method-assign]
        for _ in range(10):
            await asyncio.sleep(0)

    async def open_gate(self) -> None:
        self.model.gate.set()

    def answered(self, uri: str) -> bytes:
        def check() -> bool:
            return uri.removeprefix("s3://bucket/") in self.objects.keys("bucket")

        self.until(check)
        return self.objects.get(uri)

    def values(self, name: str, **dimensions: str) -> tuple[float, ...]:
        where = {"EndpointName": KEY, **dimensions}
        store = self.harness.parts.store
        return self.harness.run(store.read(lambda found: metrics.values(found, WORLD, "AWS/SageMaker", name, where)))

    def left(self) -> int:
        store = self.harness.parts.store
        return len(self.harness.run(store.read(lambda found: found.resources.unsettled(["asynchronous.Request"]))))


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(dispatcher, "LOOK", 0.02)
    monkeypatch.setattr(dispatcher, "TROUBLE_PAUSE", 0.02)
    with Rig(tmp_path / "payloads") as made:
        yield made


def refused(rig: Rig, **arguments: Any) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        rig.runtime.invoke_endpoint_async(**{"EndpointName": KEY, **arguments})
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    return str(caught.value.response["Error"]["Message"])


def test_the_answer_lies_where_it_was_said(rig: Rig) -> None:
    """API InvokeEndpointAsync: 202, InferenceId, OutputLocation, FailureLocation; the object's content type counts."""
    rig.serve()
    rig.objects.put("s3://bucket/in.csv", b"a,b")
    rig.objects.types["s3://bucket/in.csv"] = "text/csv"
    answer = rig.invoke(InputLocation="s3://bucket/in.csv", Accept="text/loud", CustomAttributes="c=1", InferenceId="mine")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["InferenceId"] == "mine"
    assert answer["OutputLocation"].startswith("s3://bucket/out/")
    assert answer["OutputLocation"].endswith(".out")
    assert answer["FailureLocation"].startswith("s3://bucket/bad/")
    assert answer["FailureLocation"].endswith("-error.out")
    assert rig.answered(answer["OutputLocation"]) == b"A,B"
    assert rig.objects.types[answer["OutputLocation"]] == "text/loud"
    seen = {"content_type": "text/csv", "accept": "text/loud", "custom_attributes": "c=1", "inference_id": "mine"}
    assert rig.model.seen == [(b"a,b", seen)]
    rig.until(lambda: not rig.feature.dispatcher.queue(WORLD, KEY))
    assert rig.left() == 0
    assert list(rig.folder.iterdir()) == []


def test_a_name_and_a_folder_for_the_answer(rig: Rig) -> None:
    """API InvokeEndpointAsync: Filename, S3OutputPathExtension."""
    rig.serve()
    answer = rig.invoke(Filename="day.json", S3OutputPathExtension="a/b")
    assert answer["OutputLocation"] == "s3://bucket/out/a/b/day.json"
    assert answer["FailureLocation"] == "s3://bucket/bad/a/b/day-error.json"
    assert rig.answered(answer["OutputLocation"]) == b"HELLO"


def test_success_is_told(rig: Rig) -> None:
    """DG async-inference-check-predictions; IncludeInferenceResponseIn."""
    config, url = rig.topics(IncludeInferenceResponseIn=["SUCCESS_NOTIFICATION_TOPIC"])
    rig.serve(**config)
    rig.objects.put("s3://bucket/in", b"x")
    answer = rig.invoke(InputLocation="s3://bucket/in", ContentType="text/plain", Accept="*/*")
    told = rig.told(url)
    assert {"eventTime", "receivedTime"} <= told.keys()
    assert {name: told[name] for name in told.keys() - {"eventTime", "receivedTime"}} == {
        "awsRegion": "us-east-1",
        "invocationStatus": "Completed",
        "requestParameters": {
            "accept": "*/*",
            "contentType": "text/plain",
            "endpointName": KEY,
            "inputLocation": "s3://bucket/in",
        },
        "responseParameters": {"contentType": "text/loud", "outputLocation": answer["OutputLocation"]},
        "responseBody": {"content": "WA==", "encoding": "BASE64"},
        "inferenceId": answer["InferenceId"],
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }


@pytest.mark.parametrize(
    ("behave", "timeout", "words", "failure"),
    [
        (lambda body: (400, b"bad input"), 900, "Received client error (400) from model", b"bad input"),
        (lambda body: (500, b"oh"), 900, "Received server error (500) from model", b"oh"),
    ],
)
def test_failure_is_told(rig: Rig, behave: Any, timeout: int, words: str, failure: bytes) -> None:
    """S3FailurePath has the container's answer, the error topic why; nothing lies at the output path."""
    config, url = rig.topics()
    rig.serve(**config)
    rig.model.behave = behave
    answer = rig.invoke(InvocationTimeoutSeconds=timeout)
    told = rig.told(url)
    assert told["invocationStatus"] == "Failed"
    assert words in told["failureReason"]
    assert rig.answered(answer["FailureLocation"]) == failure
    assert "out" not in "".join(rig.objects.keys("bucket")).replace("-error.out", "")
    assert rig.values("InvocationFailures", VariantName="v") == (1.0,)


def raises(problem: Exception) -> Callable[[bytes], Any]:
    def behave(_: bytes) -> Any:
        raise problem

    return behave


def test_a_container_that_dies_over_a_request_has_failed_it(rig: Rig) -> None:
    rig.serve()
    rig.model.behave = raises(Broken("gone"))
    answer = rig.invoke()
    assert b"Received server error (0)" in rig.answered(answer["FailureLocation"])


def test_a_container_that_is_too_slow_has_failed_it(rig: Rig) -> None:
    """API InvokeEndpointAsync: InvocationTimeoutSeconds."""
    rig.serve()
    rig.model.gate.clear()
    answer = rig.invoke(InvocationTimeoutSeconds=1)
    assert b"within InvocationTimeoutSeconds (1 seconds)" in rig.answered(answer["FailureLocation"])


def test_a_container_may_work_for_an_hour(rig: Rig) -> None:
    """API InvokeEndpointAsync: InvocationTimeoutSeconds has 3600 at most; nothing gives up before, and something does after."""
    rig.serve()
    for passed, place, words in ((3599, "OutputLocation", b"HELLO"), (3601, "FailureLocation", b"(3600 seconds)")):
        rig.model.gate.clear()
        answer = rig.invoke(InvocationTimeoutSeconds=3600)
        rig.until(lambda: rig.model.in_flight)
        rig.harness.run(rig.let_pass(passed))
        assert rig.model.in_flight == (passed < 3600)
        rig.harness.run(rig.open_gate())
        assert words in rig.answered(answer[place])


def test_a_container_that_is_not_there_is_asked_again(rig: Rig) -> None:
    rig.serve()
    trouble = [Unsent("away"), Unsent("away")]

    def behave(body: bytes) -> Any:
        if trouble:
            raise trouble.pop()
        return 200, body

    rig.model.behave = behave
    assert rig.answered(rig.invoke()["OutputLocation"]) == b"hello"


def test_an_input_that_is_missing(rig: Rig) -> None:
    rig.serve()
    answer = rig.invoke(InputLocation="s3://bucket/none")
    assert b"Failed to download the request payload from s3://bucket/none" in rig.answered(answer["FailureLocation"])
    rig.until(lambda: not rig.feature.dispatcher.queue(WORLD, KEY))
    assert rig.values("RequestDownloadFailures", VariantName="v") == (1.0,)


def test_s3_that_is_away_delays_and_loses_nothing(rig: Rig) -> None:
    rig.serve()
    rig.objects.put("s3://bucket/in", b"x")
    rig.objects.away = True
    answer = rig.invoke(InputLocation="s3://bucket/in")
    rig.until(lambda: any(ticket.troubles for ticket in rig.feature.dispatcher.queue(WORLD, KEY).waiting))
    rig.objects.away = False
    assert rig.answered(answer["OutputLocation"]) == b"X"


def test_no_more_at_a_time_than_the_configuration_says(rig: Rig) -> None:
    """MaxConcurrentInvocationsPerInstance; the oldest first."""
    rig.model.gate.clear()
    rig.serve()
    answers = [rig.invoke(str(index).encode()) for index in range(5)]
    rig.until(lambda: rig.model.in_flight == 2)
    rig.model.gate.set()
    for index, answer in enumerate(answers):
        assert rig.answered(answer["OutputLocation"]) == str(index).encode()
    assert rig.model.most == 2
    assert {body for body, _ in rig.model.seen[:2]} == {b"0", b"1"}


def test_without_instances_requests_wait(rig: Rig) -> None:
    """DG async-inference-monitor: HasBacklogWithoutCapacity wakes an endpoint from zero; the others by their names."""
    rig.serve(instances=0)
    answers = [rig.invoke() for _ in range(3)]
    rig.harness.run(rig.feature.measure())
    assert rig.values("HasBacklogWithoutCapacity") == (1.0,)
    assert rig.values("ApproximateBacklogSize") == (3.0,)
    assert rig.values("ApproximateBacklogSizePerInstance") == ()
    rig.serve(instances=2)
    rig.harness.run(rig.feature.measure())
    assert rig.values("ApproximateBacklogSizePerInstance") == (1.5,)
    for answer in answers:
        rig.answered(answer["OutputLocation"])
    rig.until(lambda: not rig.feature.dispatcher.queue(WORLD, KEY))
    rig.harness.run(rig.feature.measure())
    assert rig.values("ApproximateBacklogSize") == (3.0, 3.0, 0.0)
    assert rig.values("HasBacklogWithoutCapacity") == (1.0, 0.0, 0.0)
    assert rig.values("InvocationsProcessed", VariantName="v") == (1.0, 1.0, 1.0)
    assert len(rig.values("TimeInBacklog", VariantName="v")) == 3
    assert len(rig.values("TotalProcessingTime", VariantName="v")) == 3
    assert rig.values("Invocations", VariantName="v") == ()


def test_a_request_that_waits_too_long_expires(rig: Rig) -> None:
    """API InvokeEndpointAsync: RequestTTLSeconds."""
    config, url = rig.topics()
    rig.serve(instances=0, **config)
    answer = rig.invoke(RequestTTLSeconds=60)
    kept = rig.invoke(RequestTTLSeconds=3600)
    rig.clock.ahead = 61
    told = rig.told(url)
    assert (told["invocationStatus"], told["inferenceId"]) == ("Failed", answer["InferenceId"])
    assert b"expired" in rig.answered(answer["FailureLocation"])
    assert rig.values("ExpiredRequests") == (1.0,)
    rig.serve()
    assert rig.answered(kept["OutputLocation"]) == b"HELLO"


def test_an_endpoint_that_is_deleted_answers_nothing_any_more(rig: Rig) -> None:
    rig.serve(instances=0)
    answer = rig.invoke()
    del rig.routes[KEY]
    store = rig.harness.parts.store

    def delete(transaction: Any) -> None:
        transaction.resources.delete(transaction.resources.get(WORLD, "Endpoint", KEY))

    rig.harness.run(store.write(delete))
    assert b"The endpoint was deleted" in rig.answered(answer["FailureLocation"])


def test_a_new_control_answers_what_the_last_one_accepted(rig: Rig) -> None:
    """Accepted means on disk; what was being worked on is taken up again, and told once."""
    config, url = rig.topics()
    rig.serve(**config)
    rig.model.gate.clear()
    answers = [rig.invoke(str(index).encode()) for index in range(4)]
    rig.until(lambda: rig.model.in_flight == 2)
    rig.harness.run(rig.feature.close())
    assert rig.left() == 4
    rig.model.gate.set()
    rig.harness.run(rig.feature.open())
    for index, answer in enumerate(answers):
        assert rig.answered(answer["OutputLocation"]) == str(index).encode()
    assert {rig.told(url)["inferenceId"] for _ in answers} == {answer["InferenceId"] for answer in answers}
    assert "Messages" not in rig.sqs.receive_message(QueueUrl=url)


def test_an_answer_that_is_in_s3_already_is_not_asked_for_again(rig: Rig) -> None:
    """Control died between the answer and its outcome."""
    config, url = rig.topics()
    rig.serve(instances=0, **config)
    answer = rig.invoke()
    rig.harness.run(rig.feature.close())
    rig.objects.put(answer["OutputLocation"], b"earlier")
    rig.serve(**config)
    rig.harness.run(rig.feature.open())
    assert rig.told(url)["invocationStatus"] == "Completed"
    assert rig.model.seen == []


def test_containers_in_a_row_take_requests_as_one() -> None:
    """K13: the route of an inference pipeline names its members."""
    opened: list[Address] = []

    def connect(address: Address) -> Any:
        opened.append(address)
        return Model()

    capacity = Capacity(connect)
    members = [{"name": name, "protocol": "http", "socket": f"/{name}", "port": 8080} for name in ("first", "second")]
    route = {"variants": [{"name": "v", "weight": 1.0, "replicas": [{"members": members}]}], "async": CONFIG}
    capacity.follow(route)
    capacity.follow(route)
    assert [address.socket for address in opened] == ["/first", "/second"]
    instance = capacity.free()
    assert instance is not None
    assert isinstance(instance.replica, Pipeline)
    capacity.follow(None)
    assert (capacity.free(), capacity.size) == (None, 0)


def test_what_is_refused(rig: Rig) -> None:
    rig.serve()
    assert "not found" in refused(rig, EndpointName="none", Body=b"x")
    assert "Exactly one of Body and InputLocation" in refused(rig)
    assert "Exactly one of Body and InputLocation" in refused(rig, Body=b"x", InputLocation="s3://bucket/x")
    assert "is not an S3 object" in refused(rig, InputLocation="s3://bucket/")
    assert "less than or equal to 3600" in refused(rig, Body=b"x", InvocationTimeoutSeconds=3601)
    assert "less than or equal to 21600" in refused(rig, Body=b"x", RequestTTLSeconds=21_601)
    assert "less than or equal to 128000" in refused(rig, Body=b"x" * 128_001)
    del rig.routes[KEY]["async"]
    assert "no AsyncInferenceConfig" in refused(rig, Body=b"x")


def test_a_topic_that_is_gone_is_counted(rig: Rig) -> None:
    """NotificationFailures."""
    config, _ = rig.topics()
    rig.serve(**config)
    rig.sns.delete_topic(TopicArn=config["OutputConfig"]["NotificationConfig"]["SuccessTopic"])
    rig.answered(rig.invoke()["OutputLocation"])
    rig.until(lambda: not rig.feature.dispatcher.queue(WORLD, KEY))
    assert rig.values("NotificationFailures", VariantName="v") == (1.0,)
