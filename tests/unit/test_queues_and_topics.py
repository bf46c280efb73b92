"""SQS and SNS through boto3. Feature row K04 (notifications of asynchronous inference); clients.md, neighbours."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.exceptions
import pytest
from harness import Harness, Parts

from sagewright.kernel.loop import Loop
from sagewright.neighbours.sns import delivery
from sagewright.neighbours.sns.delivery import Delivery
from sagewright.neighbours.sns.operations import Sns
from sagewright.neighbours.sqs.operations import Sqs


class Rig:
    """Both services, and the loop that delivers."""

    def __init__(self, *, twice: bool = False) -> None:
        self._twice = twice
        self.harness = Harness(install=self._install)

    def __enter__(self) -> Rig:
        self.harness.__enter__()
        self.harness.run(self.loop.start())
        self.sqs, self.sns = self.harness.client("sqs"), self.harness.client("sns")
        return self

    def __exit__(self, *error: object) -> None:
        self.harness.run(self.loop.close())
        self.harness.run(self.delivery.close())
        self.harness.__exit__(None, None, None)

    def _install(self, parts: Parts) -> None:
        for name, handler in Sqs(parts.store, "http://127.0.0.1:1").operations().items():
            parts.operations.write("sqs", name, handler)
        for name, handler in Sns(parts.store).operations().items():
            parts.operations.write("sns", name, handler)
        self.delivery = Delivery(parts.store, lambda identity: self.loop.hint(identity))
        self.loop = Loop(parts.store, [self.delivery], twice=self._twice)

    def queue(self, name: str, **attributes: str) -> tuple[str, str]:
        """URL and ARN of a new queue."""
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def bodies(self, url: str, **arguments: Any) -> list[str]:
        """Everything that can be received now."""
        found = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **arguments)
        return [message["Body"] for message in found.get("Messages", [])]


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig() as made:
        yield made


def code_of(call: Any, **arguments: Any) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_a_message_goes_through_a_queue(rig: Rig) -> None:
    """SendMessage, ReceiveMessage, DeleteMessage; digests, system attributes."""
    url, arn = rig.queue("plain")
    assert arn == "arn:aws:sqs:us-east-1:123456789012:plain"
    assert rig.sqs.get_queue_url(QueueName="plain")["QueueUrl"] == url
    attributes = {"kind": {"DataType": "String", "StringValue": "a"}, "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"}}
    sent = rig.sqs.send_message(QueueUrl=url, MessageBody="hello", MessageAttributes=attributes)
    assert sent["MD5OfMessageBody"] == hashlib.md5(b"hello").hexdigest()
    (message,) = rig.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"])["Messages"]
    assert (message["Body"], message["MessageId"]) == ("hello", sent["MessageId"])
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["MessageAttributes"]["raw"]["BinaryValue"] == b"\x00\x01"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert rig.bodies(url) == []
    shown = rig.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (shown["ApproximateNumberOfMessages"], shown["ApproximateNumberOfMessagesNotVisible"]) == ("0", "1")
    rig.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    shown = rig.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert shown["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_the_digest_of_attributes_is_that_of_aws(rig: Rig) -> None:
    """SQS developer guide, "Calculating the MD5 message digest for message attributes"; the value is the algorithm's by hand."""
    url, _ = rig.queue("digests")
    sent = rig.sqs.send_message(
        QueueUrl=url, MessageBody="x", MessageAttributes={"n": {"DataType": "Number", "StringValue": "7"}}
    )
    text = b"\0\0\0\x01n" + b"\0\0\0\x06Number" + b"\x01" + b"\0\0\0\x017"
    assert sent["MD5OfMessageAttributes"] == hashlib.md5(text).hexdigest()


def test_an_unfinished_message_comes_again(rig: Rig) -> None:
    """VisibilityTimeout, ChangeMessageVisibility; the receipt of the last time counts."""
    url, _ = rig.queue("again")
    rig.sqs.send_message(QueueUrl=url, MessageBody="once")
    (first,) = rig.sqs.receive_message(QueueUrl=url)["Messages"]
    rig.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    (second,) = rig.sqs.receive_message(QueueUrl=url)["Messages"]
    assert second["MessageId"] == first["MessageId"]
    rig.sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert code_of(
        rig.sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=1
    ) == ("MessageNotInflight")
    rig.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=0)
    assert rig.bodies(url) == ["once"]


def test_a_receiver_waits_for_what_comes(rig: Rig) -> None:
    """Long polling: WaitTimeSeconds ends with the first message, also with one that becomes visible."""
    url, _ = rig.queue("waiting")
    found: list[str] = []
    waiting = threading.Thread(target=lambda: found.extend(rig.bodies(url, WaitTimeSeconds=20)))
    waiting.start()
    began = time.monotonic()
    rig.sqs.send_message(QueueUrl=url, MessageBody="at last", DelaySeconds=1)
    waiting.join()
    assert found == ["at last"]
    assert 0.9 < time.monotonic() - began < 15
    assert rig.bodies(url, WaitTimeSeconds=0) == []


def test_what_nobody_can_work_on_goes_to_the_dead_letters(rig: Rig) -> None:
    """RedrivePolicy, ListDeadLetterSourceQueues."""
    dead_url, dead = rig.queue("dead")
    url, arn = rig.queue("alive", RedrivePolicy=json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 2}))
    rig.sqs.send_message(QueueUrl=url, MessageBody="hard")
    assert rig.bodies(url, VisibilityTimeout=0) == ["hard"]
    assert rig.bodies(url, VisibilityTimeout=0) == ["hard"]
    assert rig.bodies(url) == []
    (message,) = rig.sqs.receive_message(QueueUrl=dead_url, AttributeNames=["All"])["Messages"]
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == arn
    assert rig.sqs.list_dead_letter_source_queues(QueueUrl=dead_url)["queueUrls"] == [url]


def test_batches(rig: Rig) -> None:
    """SendMessageBatch, DeleteMessageBatch, ChangeMessageVisibilityBatch: an entry that is wrong fails alone."""
    url, _ = rig.queue("batches")
    entries = [{"Id": str(index), "MessageBody": f"m{index}"} for index in range(3)]
    sent = rig.sqs.send_message_batch(QueueUrl=url, Entries=[*entries, {"Id": "bad", "MessageBody": "x", "DelaySeconds": 901}])
    assert [entry["Id"] for entry in sent["Successful"]] == ["0", "1", "2"]
    assert [entry["Id"] for entry in sent["Failed"]] == ["bad"]
    found = rig.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert sorted(message["Body"] for message in found) == ["m0", "m1", "m2"]
    handles = [{"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(found)]
    hidden = [{**entry, "VisibilityTimeout": 60} for entry in handles]
    assert len(rig.sqs.change_message_visibility_batch(QueueUrl=url, Entries=hidden)["Successful"]) == 3
    assert len(rig.sqs.delete_message_batch(QueueUrl=url, Entries=handles)["Successful"]) == 3
    assert code_of(rig.sqs.send_message_batch, QueueUrl=url, Entries=[]).endswith("EmptyBatchRequest")
    assert code_of(rig.sqs.send_message_batch, QueueUrl=url, Entries=[entries[0], entries[0]]) == "BatchEntryIdsNotDistinct"


def test_queues_are_listed_tagged_changed_purged_and_deleted(rig: Rig) -> None:
    url, _ = rig.queue("keeping", VisibilityTimeout="5")
    assert rig.sqs.list_queues(QueueNamePrefix="keep")["QueueUrls"] == [url]
    rig.sqs.tag_queue(QueueUrl=url, Tags={"a": "1", "b": "2"})
    rig.sqs.untag_queue(QueueUrl=url, TagKeys=["a"])
    assert rig.sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"b": "2"}
    rig.sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "7"})
    shown = rig.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds", "VisibilityTimeout"])["Attributes"]
    assert shown == {"DelaySeconds": "7", "VisibilityTimeout": "5"}
    rig.sqs.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=0)
    rig.sqs.purge_queue(QueueUrl=url)
    assert rig.bodies(url) == []
    assert rig.sqs.create_queue(QueueName="keeping")["QueueUrl"] == url
    rig.sqs.delete_queue(QueueUrl=url)
    assert "QueueDoesNotExist" in code_of(rig.sqs.get_queue_url, QueueName="keeping")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"QueueName": "a.fifo"}, "UnsupportedOperation"),
        ({"QueueName": "a b"}, "InvalidParameterValue"),
        ({"QueueName": "a", "Attributes": {"DelaySeconds": "901"}}, "InvalidAttributeValue"),
        ({"QueueName": "a", "Attributes": {"QueueArn": "1"}}, "InvalidAttributeName"),
        ({"QueueName": "a", "Attributes": {"RedrivePolicy": "{}"}}, "InvalidAttributeValue"),
        ({"QueueName": "a", "Attributes": {"KmsMasterKeyId": "k"}}, "UnsupportedOperation"),
    ],
)
def test_queues_that_are_refused(rig: Rig, arguments: dict[str, Any], code: str) -> None:
    assert code_of(rig.sqs.create_queue, **arguments) == code


def test_a_topic_reaches_its_queues(rig: Rig) -> None:
    """Publish, RawMessageDelivery, FilterPolicy, PublishBatch."""
    topic = rig.sns.create_topic(Name="news", Tags=[{"Key": "k", "Value": "v"}])["TopicArn"]
    assert rig.sns.create_topic(Name="news")["TopicArn"] == topic
    whole, raw, some = rig.queue("whole"), rig.queue("raw"), rig.queue("some")
    rig.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=whole[1])
    rig.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=raw[1], Attributes={"RawMessageDelivery": "true"})
    policy = json.dumps({"size": [{"numeric": [">", 3]}], "kind": ["a", {"prefix": "b"}]})
    picky = rig.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=some[1], Attributes={"FilterPolicy": policy})
    attributes = {"size": {"DataType": "Number", "StringValue": "4"}, "kind": {"DataType": "String", "StringValue": "bc"}}
    name = rig.sns.publish(TopicArn=topic, Message="first", Subject="s", MessageAttributes=attributes)["MessageId"]
    rig.sns.publish(TopicArn=topic, Message="second")
    found = sorted((json.loads(body) for body in rig.bodies(whole[0])), key=lambda document: str(document["Message"]))
    assert (found[0]["MessageId"], found[0]["TopicArn"], found[0]["Subject"]) == (name, topic, "s")
    assert found[0]["MessageAttributes"]["size"] == {"Type": "Number", "Value": "4"}
    assert [document["Message"] for document in found] == ["first", "second"]
    assert sorted(rig.bodies(raw[0])) == ["first", "second"]
    assert [json.loads(body)["Message"] for body in rig.bodies(some[0])] == ["first"]
    entries = [{"Id": "1", "Message": "third"}, {"Id": "2", "Message": ""}]
    sent = rig.sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [len(sent["Successful"]), len(sent["Failed"])] == [1, 1]
    shown = rig.sns.get_subscription_attributes(SubscriptionArn=picky["SubscriptionArn"])["Attributes"]
    assert shown["FilterPolicy"] == policy
    rig.sns.set_subscription_attributes(
        SubscriptionArn=picky["SubscriptionArn"], AttributeName="FilterPolicy", AttributeValue=""
    )
    assert len(rig.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]) == 3
    assert len(rig.sns.list_subscriptions()["Subscriptions"]) >= 3
    rig.sns.unsubscribe(SubscriptionArn=picky["SubscriptionArn"])
    rig.sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="News")
    found = rig.sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (found["SubscriptionsConfirmed"], found["DisplayName"]) == ("2", "News")
    assert {"TopicArn": topic} in rig.sns.list_topics()["Topics"]
    rig.sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "l", "Value": "w"}])
    rig.sns.untag_resource(ResourceArn=topic, TagKeys=["k"])
    assert rig.sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "l", "Value": "w"}]
    rig.sns.delete_topic(TopicArn=topic)
    assert code_of(rig.sns.publish, TopicArn=topic, Message="x") == "NotFound"


class Endpoint:
    """A web server that answers as it is told and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.got: list[dict[str, Any]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.got.append({"type": self.headers["x-amz-sns-message-type"], "body": body})
                self.send_response(endpoint.answers.pop(0) if endpoint.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/told"

    def __enter__(self) -> Endpoint:
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def wait(self, count: int) -> None:
        deadline = time.monotonic() + 20
        while len(self.got) < count:
            assert time.monotonic() < deadline, self.got
            time.sleep(0.01)


@pytest.mark.parametrize("twice", [False, True])
def test_an_http_endpoint_confirms_and_is_told_again_until_it_takes_it(monkeypatch: pytest.MonkeyPatch, twice: bool) -> None:
    """Subscribe http, ConfirmSubscription, retries, dead letters; every action of the controller may run twice."""
    monkeypatch.setattr(delivery, "PAUSE", 0.05)
    with Rig(twice=twice) as rig, Endpoint() as endpoint:
        topic = rig.sns.create_topic(Name="told")["TopicArn"]
        url, dead = rig.queue("untold")
        answer = rig.sns.subscribe(
            TopicArn=topic,
            Protocol="http",
            Endpoint=endpoint.url,
            Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead})},
        )
        assert answer["SubscriptionArn"] == "pending confirmation"
        endpoint.wait(1)
        rig.sns.publish(TopicArn=topic, Message="too early")
        asked = json.loads(endpoint.got[0]["body"])
        assert asked["Type"] == endpoint.got[0]["type"] == "SubscriptionConfirmation"
        assert code_of(rig.sns.confirm_subscription, TopicArn=topic, Token="wrong") == "InvalidParameter"
        rig.sns.confirm_subscription(TopicArn=topic, Token=asked["Token"])
        endpoint.answers = [500, 503]
        rig.sns.publish(TopicArn=topic, Message="heard")
        endpoint.wait(4)
        assert {json.loads(got["body"])["Message"] for got in endpoint.got[1:]} == {"heard"}
        endpoint.answers = [500] * (1 + delivery.RETRIES)
        rig.sns.publish(TopicArn=topic, Message="unheard")
        (body,) = rig.bodies(url, WaitTimeSeconds=20)
        assert json.loads(body)["Message"] == "unheard"
        assert len(endpoint.got) == 4 + 1 + delivery.RETRIES
        assert rig.bodies(url) == []


@pytest.mark.parametrize(
    ("protocol", "endpoint", "words"),
    [
        ("http", "http://example.com/", "this machine only"),
        ("http", "https://127.0.0.1/", "must begin with http://"),
        ("https", "https://10.0.0.1/", "this machine only"),
        ("email", "a@b.c", "not to email"),
        ("sqs", "queue", "SQS endpoint ARN"),
    ],
)
def test_endpoints_that_are_refused(rig: Rig, protocol: str, endpoint: str, words: str) -> None:
    topic = rig.sns.create_topic(Name="strict")["TopicArn"]
    with pytest.raises(botocore.exceptions.ClientError, match=words):
        rig.sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint)


def test_what_is_published_wrongly_is_refused(rig: Rig) -> None:
    topic = rig.sns.create_topic(Name="wrong")["TopicArn"]
    assert code_of(rig.sns.publish, TopicArn=topic, Message="") == "InvalidParameter"
    assert code_of(rig.sns.publish, TopicArn=topic, Message="{}", MessageStructure="json") == "InvalidParameter"
    attributes = {"n": {"DataType": "Number", "StringValue": "many"}}
    assert code_of(rig.sns.publish, TopicArn=topic, Message="m", MessageAttributes=attributes) == "ParameterValueInvalid"
    assert code_of(rig.sns.create_topic, Name="t.fifo") == "InvalidParameter"
    assert code_of(rig.sns.subscribe, TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:1:q",
                   Attributes={"FilterPolicy": '{"a": 1}'}) == "InvalidParameter"  # fmt: skip


def test_a_waiting_receiver_that_leaves_takes_nothing(rig: Rig) -> None:
    """A connection that ends while it waits must not hide a message from the others."""
    url, _ = rig.queue("left")

    async def leave() -> None:
        handler = rig.harness.parts.operations.find("sqs", "ReceiveMessage")
        assert handler is not None
        from harness import CALLER  # noqa: PLC0415

        from sagewright.kernel.operation import Context  # noqa: PLC0415

        context = Context(CALLER, "id", rig.harness.clock.now())
        task = asyncio.ensure_future(handler(context, {"QueueUrl": url, "WaitTimeSeconds": 20}))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    rig.harness.run(leave())
    rig.sqs.send_message(QueueUrl=url, MessageBody="still here")
    assert rig.bodies(url) == ["still here"]
