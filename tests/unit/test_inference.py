"""Route table, choice of variant and replica, errors and counters of InvokeEndpoint (features K01, K08, K18)."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from botocore.eventstream import EventStreamBuffer

from sagewright.compute.replica import HEADER_NAMES, Address, Answer, Broken, Chunks, StreamedAnswer, Unsent
from sagewright.front.capture import Capture
from sagewright.front.counters import Counters
from sagewright.front.inference import BODY_LIMIT, Inference
from sagewright.front.model_errors import MESSAGE_LIMIT
from sagewright.front.routes import RouteTable
from sagewright.front.streamed import Streamed
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response


@dataclass
class Caller:
    account: str = "123456789012"
    region: str = "eu-west-1"


class Stub:
    """A replica that says what the test wants."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.in_flight = 0
        self.closed = False
        self.asked: list[tuple[dict[str, str], bytes]] = []
        self.says: Answer | Exception = Answer(200, {"content-type": "text/csv"}, address.socket.encode())
        self.parts: list[bytes | Exception] = []

    async def invoke(self, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        self.asked.append((dict(headers), body))
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    async def stream(self, headers: Mapping[str, str], body: bytes, timeout: float) -> StreamedAnswer:
        answer = await self.invoke(headers, body, timeout)
        parts = list(self.parts)

        async def take() -> bytes | None:
            part = parts.pop(0) if parts else None
            if isinstance(part, Exception):
                raise part
            return part

        self.in_flight += 1
        return StreamedAnswer(answer.status, answer.headers, Chunks(take, self._ended))

    def _ended(self) -> None:
        self.in_flight -= 1

    async def ping(self, timeout: float) -> bool:
        return True

    async def get(self, path: str, timeout: float) -> Answer:
        return Answer(404, {}, b"")

    def close(self) -> None:
        self.closed = True


class Front:
    """Routes, counters and inference over stubs; ``route`` writes the snapshot as control does."""

    def __init__(self, folder: Path) -> None:
        self.stubs: dict[str, Stub] = {}
        self.snapshot = folder / "routes.json"
        self.routes = RouteTable(self.snapshot, self._connect)
        self.counters = Counters()
        self.inference = Inference(self.routes, self.counters)

    def _connect(self, address: Address) -> Stub:
        return self.stubs.setdefault(address.socket, Stub(address))

    def route(self, **variants: tuple[float, list[str]]) -> None:
        listed = [
            {"name": name, "weight": weight, "replicas": [{"protocol": "frames", "socket": at, "port": 8080} for at in sockets]}
            for name, (weight, sockets) in variants.items()
        ]
        entry = {"arn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/e", "variants": listed}
        self.write(orjson.dumps({"generation": 1, "endpoints": {"123456789012/eu-west-1/e": entry}}))

    def write(self, content: bytes) -> None:
        partial = self.snapshot.with_suffix(".partial")
        partial.write_bytes(content)
        os.replace(partial, self.snapshot)  # noqa: PTH105

    async def invoke(self, body: bytes = b"1,2", action: str = "invocations", name: str = "e", **headers: str) -> Any:
        given = {"content-type": "text/csv", **{key.replace("_", "-"): value for key, value in headers.items()}}
        return await self.inference.handle(Caller(), Request("POST", f"/endpoints/{name}/{action}", "", given, body))

    def counted(self, variant: str) -> dict[str, Any]:
        message = orjson.loads(self.counters.drain(0.0) or b'{"variants": []}')
        found: dict[str, Any] = next(entry for entry in message["variants"] if entry["variant"] == variant)
        return found


@pytest.fixture
def front(tmp_path: Path) -> Front:
    made = Front(tmp_path)
    made.route(a=(1.0, ["r1"]))
    return made


async def fault(call: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        await call
    return caught.value


async def test_the_answer_names_its_variant(front: Front) -> None:
    """RT:InvokeEndpoint."""
    await front.invoke()
    front.stubs["r1"].says = Answer(
        200, {"content-type": "application/json", "x-amzn-sagemaker-custom-attributes": "trace=1", "server": "x"}, b"[1]"
    )
    response = await front.invoke(
        accept="application/json", x_amzn_sagemaker_custom_attributes="in", x_amzn_sagemaker_inference_id="i"
    )
    assert isinstance(response, Response)
    assert (response.status, response.body) == (200, b"[1]")
    assert dict(response.headers) == {
        "Content-Type": "application/json",
        "x-Amzn-Invoked-Production-Variant": "a",
        "X-Amzn-SageMaker-Custom-Attributes": "trace=1",
    }
    asked = {"content_type": "text/csv", "accept": "application/json", "custom_attributes": "in", "inference_id": "i"}
    assert front.stubs["r1"].asked[-1] == (asked, b"1,2")


async def test_headers_of_the_client_that_are_not_of_the_contract_stay_outside(front: Front) -> None:
    """DG your-algorithms-inference-code: SageMaker strips all headers but its own."""
    await front.invoke(authorization="AWS4-HMAC-SHA256 …", x_amz_security_token="secret")
    assert front.stubs["r1"].asked[-1][0] == {"content_type": "text/csv"}


async def test_an_adapter_is_named_to_the_containers_of_its_base(front: Front) -> None:
    """K06: X-Amzn-SageMaker-Adapter-Identifier and -Alias, for the adapter alone and never from the caller."""
    replicas = [{"protocol": "http", "socket": "base", "port": 8080}]
    listed = [
        {"name": "base", "variant": "v", "replicas": replicas},
        {"name": "mine", "variant": "v", "replicas": replicas, "adapter": "mine-1a2b3c4d"},
    ]
    entry = {"arn": "a", "variants": [{"name": "v", "weight": 1.0, "replicas": [], "hosts": 1}], "components": listed}
    front.write(orjson.dumps({"generation": 2, "endpoints": {"123456789012/eu-west-1/e": entry}}))
    forged = {"x_amzn_sagemaker_adapter_identifier": "other"}
    for component, expected in (("mine", ("mine-1a2b3c4d", "mine")), ("base", (None, None))):
        await front.invoke(x_amzn_sagemaker_inference_component=component, **forged)
        headers, _ = front.stubs["base"].asked[-1]
        assert (headers.get("adapter"), headers.get("adapter_alias")) == expected
    assert HEADER_NAMES["adapter"] == "X-Amzn-SageMaker-Adapter-Identifier"


async def test_an_unknown_endpoint_has_the_words_of_aws(front: Front) -> None:
    problem = await fault(front.invoke(name="nowhere"))
    assert (problem.code, problem.status) == ("ValidationError", 400)
    assert problem.message == "Endpoint nowhere of account 123456789012 not found."


@pytest.mark.parametrize(("status", "side"), [(400, "client"), (415, "client"), (500, "server"), (503, "server")])
async def test_an_error_of_the_model_keeps_its_status_and_message(front: Front, status: int, side: str) -> None:
    await front.invoke()
    front.stubs["r1"].says = Answer(status, {}, b"no good")
    problem = await fault(front.invoke())
    assert (problem.code, problem.status) == ("ModelError", 424)
    assert problem.message.startswith(f'Received {side} error ({status}) from primary with message "no good". See https://')
    assert problem.message.endswith("in account 123456789012 for more information.")
    assert problem.fields == {
        "OriginalStatusCode": status,
        "OriginalMessage": "no good",
        "LogStreamArn": "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/sagemaker/Endpoints/e",
    }


async def test_a_long_error_message_is_cut(front: Front) -> None:
    await front.invoke()
    front.stubs["r1"].says = Answer(400, {}, "é".encode() * 100_000)
    assert len((await fault(front.invoke())).fields["OriginalMessage"]) == MESSAGE_LIMIT


@pytest.mark.parametrize("problem", [TimeoutError(), Broken("the container closed the connection before it had answered")])
async def test_a_model_that_does_not_answer_is_a_model_error_without_status(front: Front, problem: Exception) -> None:
    await front.invoke()
    front.stubs["r1"].says = problem
    answered = await fault(front.invoke())
    assert (answered.code, answered.fields["OriginalStatusCode"]) == ("ModelError", 0)
    assert len(front.stubs["r1"].asked) == 2, "the model may have seen it: it is not asked twice"


async def test_a_replica_that_cannot_be_reached_is_passed_over(front: Front) -> None:
    front.route(a=(1.0, ["dead", "r1"]))
    await front.invoke()
    front.stubs["dead"].says = Unsent("gone")
    assert [(await front.invoke()).body for _ in range(4)] == [b"r1"] * 4


async def test_no_replica_at_all_is_unavailable(front: Front) -> None:
    front.route(a=(1.0, []))
    assert (await fault(front.invoke())).status == 503
    front.route(a=(1.0, ["dead"]))
    front.stubs["dead"] = Stub(Address("frames", "dead"))
    front.stubs["dead"].says = Unsent("gone")
    problem = await fault(front.invoke())
    assert (problem.code, problem.status) == ("ServiceUnavailable", 503)


async def test_traffic_follows_the_weights(front: Front) -> None:
    """K08: the observed split matches the weights, share = weight / sum."""
    front.route(a=(9.0, ["r1"]), b=(1.0, ["r2"]), c=(0.0, ["r3"]))
    answers = Counter([(await front.invoke()).body for _ in range(1000)])
    assert answers[b"r1"] == pytest.approx(900, abs=3)
    assert answers[b"r2"] == pytest.approx(100, abs=3)
    assert answers[b"r3"] == 0


async def test_a_named_variant_gets_the_call_even_without_weight(front: Front) -> None:
    front.route(a=(1.0, ["r1"]), b=(0.0, ["r2"]))
    assert (await front.invoke(x_amzn_sagemaker_target_variant="b")).body == b"r2"
    assert (await fault(front.invoke(x_amzn_sagemaker_target_variant="z"))).code == "ValidationError"


async def test_the_replica_with_the_fewest_calls_in_flight_is_asked(front: Front) -> None:
    front.route(a=(1.0, ["r1", "r2", "r3"]))
    await front.invoke()
    front.stubs["r1"].in_flight = front.stubs["r3"].in_flight = 2
    assert {(await front.invoke()).body for _ in range(5)} == {b"r2"}


async def test_idle_replicas_take_turns(front: Front) -> None:
    front.route(a=(1.0, ["r1", "r2", "r3"]))
    assert Counter([(await front.invoke()).body for _ in range(30)]) == {b"r1": 10, b"r2": 10, b"r3": 10}


async def test_an_endpoint_that_is_not_known_is_looked_for_even_in_a_fresh_table(front: Front) -> None:
    """CreateEndpoint, InService, and at once an invocation: it must not be answered from a table of a millisecond ago."""
    front.inference = Inference(RouteTable(front.snapshot, front._connect, fresh=3600.0), front.counters)
    await front.invoke()
    front.write(front.snapshot.read_bytes().replace(b"eu-west-1/e", b"eu-west-1/later"))
    await front.invoke(name="later")


async def test_a_new_snapshot_is_in_force_with_the_next_call(front: Front) -> None:
    assert (await front.invoke()).body == b"r1"
    front.route(a=(1.0, ["r2"]))
    assert (await front.invoke()).body == b"r2"
    assert front.stubs["r1"].closed


async def test_a_replica_that_leaves_keeps_its_connection_until_its_calls_are_answered(front: Front) -> None:
    await front.invoke()
    front.stubs["r1"].in_flight = 1
    front.route(a=(1.0, ["r2"]))
    await front.invoke()
    assert not front.stubs["r1"].closed
    front.stubs["r1"].in_flight = 0
    front.route(a=(1.0, ["r3"]))
    await front.invoke()
    assert front.stubs["r1"].closed


@pytest.mark.parametrize("content", [b"", b"{", b'{"endpoints": {"123456789012/eu-west-1/e": {}}}', b"[]"])
async def test_a_snapshot_that_cannot_be_read_leaves_the_last_one_in_force(front: Front, content: bytes) -> None:
    await front.invoke()
    front.write(content)
    assert (await front.invoke()).body == b"r1"
    front.snapshot.unlink()
    assert (await front.invoke()).body == b"r1"


@pytest.mark.parametrize(
    "header", ["target-model", "target-container-hostname", "inference-component", "session-id", "enable-explanations"]
)
async def test_what_is_not_there_yet_is_refused_and_not_ignored(front: Front, header: str) -> None:
    problem = await fault(front.invoke(**{f"x_amzn_sagemaker_{header}": "x"}))
    assert (problem.code, problem.status) == ("ValidationError", 400)


async def test_an_asynchronous_endpoint_is_not_called_like_others(front: Front) -> None:
    """K04."""
    entry = {"arn": "a", "variants": [], "async": {"OutputConfig": {"S3OutputPath": "s3://bucket"}}}
    front.write(orjson.dumps({"generation": 1, "endpoints": {"123456789012/eu-west-1/e": entry}}))
    for action in ("invocations", "invocations-response-stream"):
        problem = await fault(front.invoke(action=action))
        assert (problem.code, problem.status) == ("ValidationError", 400)
        assert "InvokeEndpointAsync" in problem.message


@pytest.mark.parametrize("path", ["/endpoints", "/endpoints/e", "/endpoints/e/nothing", "/endpoints/e/invocations/more", "/"])
async def test_a_path_that_is_no_operation_is_a_fault(front: Front, path: str) -> None:
    problem = await fault(front.inference.handle(Caller(), Request("POST", path, "", {}, b"")))
    assert problem.status == 404


async def test_a_body_above_the_limit_is_refused(front: Front) -> None:
    assert (await front.invoke(b"x" * BODY_LIMIT)).status == 200
    problem = await fault(front.invoke(b"x" * (BODY_LIMIT + 1)))
    assert (problem.code, problem.status) == ("ValidationError", 413)


@pytest.mark.parametrize("value", ["x" * 1025, "naïve", "a\r\nb: c"])
async def test_headers_are_short_and_ascii(front: Front, value: str) -> None:
    assert (await fault(front.invoke(x_amzn_sagemaker_custom_attributes=value))).code == "ValidationError"


class TestStreaming:
    def events(self, body: bytes) -> list[tuple[str, bytes]]:
        buffer = EventStreamBuffer()
        buffer.add_data(body)
        messages = [event.to_response_dict() for event in buffer]
        return [(m["headers"].get(":event-type") or m["headers"][":exception-type"], m["body"]) for m in messages]

    async def stream(self, front: Front, *parts: bytes | Exception) -> tuple[Streamed, bytes]:
        await front.invoke()
        front.stubs["r1"].parts = list(parts)
        streamed = await front.invoke(action="invocations-response-stream", x_amzn_sagemaker_accept="text/plain")
        assert isinstance(streamed, Streamed)
        return streamed, b"".join([part async for part in streamed.parts])

    async def test_parts_become_events_that_botocore_reads(self, front: Front) -> None:
        streamed, body = await self.stream(front, b"one", b"two")
        assert self.events(body) == [("PayloadPart", b"one"), ("PayloadPart", b"two")]
        headers = dict(streamed.headers)
        assert headers["Content-Type"] == "application/vnd.amazon.eventstream"
        assert headers["X-Amzn-SageMaker-Content-Type"] == "text/csv"
        assert headers["x-Amzn-Invoked-Production-Variant"] == "a"
        assert front.stubs["r1"].asked[-1][0]["accept"] == "text/plain"
        assert front.stubs["r1"].in_flight == 0

    async def test_a_large_part_becomes_several_events(self, front: Front) -> None:
        _, body = await self.stream(front, b"x" * 2_500_000)
        assert [len(payload) for _, payload in self.events(body)] == [1_048_576, 1_048_576, 402_848]

    @pytest.mark.parametrize(
        ("problem", "code"), [(Broken("cut"), "StreamBroken"), (TimeoutError(), "ModelInvocationTimeExceeded")]
    )
    async def test_a_stream_that_breaks_ends_with_an_exception(self, front: Front, problem: Exception, code: str) -> None:
        _, body = await self.stream(front, b"one", problem)
        (_, first), (name, document) = self.events(body)
        assert (first, name) == (b"one", "ModelStreamError")
        assert orjson.loads(document)["ErrorCode"] == code

    async def test_a_stream_that_came_to_its_end_is_captured(self, tmp_path: Path) -> None:
        """N01: all parts as one answer; what breaks off is not an answer."""
        kept: list[tuple[bytes, bytes]] = []

        class Kept(Capture):
            def keep(self, *given: Any) -> None:
                kept.append((given[-2], given[-1].body))

        async def told() -> None:
            raise AssertionError("nothing is written")

        front = Front(tmp_path)
        front.inference = Inference(front.routes, front.counters, capture=Kept(tmp_path / "spool", told))
        options = [{"CaptureMode": "InputAndOutput"}]
        config = {"CaptureOptions": options, "InitialSamplingPercentage": 100, "DestinationS3Uri": "s3://b/c"}
        replicas = [{"protocol": "frames", "socket": "r1", "port": 8080}]
        entry = {"arn": "a", "variants": [{"name": "a", "weight": 1.0, "replicas": replicas}], "capture": config}
        front.write(orjson.dumps({"generation": 1, "endpoints": {"123456789012/eu-west-1/e": entry}}))
        await self.stream(front, b"one", b"two")
        await self.stream(front, b"one", Broken("cut"))
        assert kept == [(b"1,2", b"r1"), (b"1,2", b"onetwo"), (b"1,2", b"r1")]

    async def test_an_error_before_the_stream_is_a_model_error(self, front: Front) -> None:
        await front.invoke()
        front.stubs["r1"].says = Answer(400, {}, b"")
        front.stubs["r1"].parts = [b"bad ", b"input"]
        problem = await fault(front.invoke(action="invocations-response-stream"))
        assert (problem.code, problem.fields["OriginalMessage"]) == ("ModelError", "bad input")
        assert front.stubs["r1"].in_flight == 0

    async def test_a_client_that_leaves_lets_the_container_go(self, front: Front) -> None:
        await front.invoke()
        front.stubs["r1"].parts = [b"one", b"two"]
        unstarted = await front.invoke(action="invocations-response-stream")
        await unstarted.parts.aclose()
        assert front.stubs["r1"].in_flight == 0
        streamed = await front.invoke(action="invocations-response-stream")
        await anext(streamed.parts)
        await streamed.parts.aclose()
        assert front.stubs["r1"].in_flight == 0


class TestCounters:
    async def test_calls_errors_and_latencies_are_counted_by_variant(self, front: Front) -> None:
        """DG monitoring-cloudwatch: metrics of AWS/SageMaker by EndpointName and VariantName, latencies in microseconds."""
        await front.invoke()
        front.counters.drain(0.0)
        for says in (Answer(200, {}, b""), Answer(200, {}, b""), Answer(400, {}, b""), Answer(500, {}, b""), TimeoutError()):
            front.stubs["r1"].says = says
            with suppress(Fault):
                await front.invoke()
        counted = front.counted("a")
        assert counted["endpoint"] == "123456789012/eu-west-1/e"
        assert [counted[name] for name in ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors")] == [5, 1, 2]
        assert counted["InvocationModelErrors"] == 3
        count, total, smallest, largest = counted["ModelLatency"]
        assert count == 4
        assert 0 < smallest <= largest <= total < 60e6
        assert front.counters.drain(0.0) is None

    async def test_counts_are_kept_while_control_is_away(self) -> None:
        counters = Counters(period=0.001)
        received: list[bytes] = []
        away = [True, True]
        arrived = asyncio.Event()

        async def tell(header: Mapping[str, str], body: bytes) -> None:
            assert header == {"op": "invocations"}
            if away:
                away.pop()
                raise ConnectionError
            received.append(body)
            arrived.set()

        counters.answered("k", "v", 200, 0.001, 0.0001)
        task = asyncio.create_task(counters.flush(tell))
        await asyncio.wait_for(arrived.wait(), 10)
        task.cancel()
        assert orjson.loads(received[0])["variants"][0]["Invocations"] == 1


def placed(**places: str) -> list[dict[str, Any]]:
    """Replicas by socket with what follows it in the snapshot: instance, and container after a blank."""
    found = []
    for socket, said in places.items():
        instance, _, container = said.partition(" ")
        named = {"instance": instance, **({"container": container} if container else {})}
        found.append({"protocol": "frames", "socket": socket, "port": 8080, **named})
    return found


def instances(front: Front) -> dict[str, tuple[int, int, int]]:
    """Invocations, model errors and samples of ModelLatency by instance."""
    message = orjson.loads(front.counters.drain(0.0) or b"{}")
    return {
        each["instance"]: (each["Invocations"], each["InvocationModelErrors"], each["ModelLatency"][0])
        for each in message.get("instances", ())
    }


ENHANCED = {"EnableEnhancedMetrics": True}


async def test_each_instance_is_counted_where_that_is_wanted(front: Front) -> None:
    """DG monitoring-cloudwatch-enhanced-metrics; K18."""
    variant = {"name": "a", "weight": 1.0, "replicas": placed(r1="i-1", r2="i-2")}
    entry = {"arn": "a", "variants": [variant], "metrics": ENHANCED}
    front.write(orjson.dumps({"generation": 2, "endpoints": {"123456789012/eu-west-1/e": entry}}))
    for _ in range(4):
        await front.invoke()
    assert instances(front) == {"i-1": (2, 0, 2), "i-2": (2, 0, 2)}
    front.stubs["r1"].says, front.stubs["r2"].says = Answer(500, {}, b"no"), TimeoutError()
    for _ in range(2):
        await fault(front.invoke())
    assert instances(front) == {"i-1": (1, 1, 1), "i-2": (1, 1, 0)}
    front.stubs["r1"].says, front.stubs["r2"].says = Unsent("nobody"), Answer(200, {}, b"1")
    await front.invoke()
    assert instances(front) == {"i-2": (1, 0, 1)}, "whoever was not reached has no call"
    front.write(orjson.dumps({"generation": 3, "endpoints": {"123456789012/eu-west-1/e": {**entry, "metrics": {}}}}))
    await front.invoke()
    assert instances(front) == {}


async def test_instances_of_both_fleets_are_told_apart_during_a_deployment(front: Front) -> None:
    """A call that the new fleet does not take is the old one's: it is counted there."""
    green = {"name": "a", "weight": 1.0, "replicas": placed(new="i-new"), "config": "second", "share": 1.0}
    variant = {"name": "a", "weight": 1.0, "replicas": placed(old="i-old"), "config": "first", "green": green}
    shadow = {"name": "s", "weight": 1.0, "replicas": placed(dark="i-dark"), "share": 1.0}
    entry = {"arn": "a", "variants": [variant], "shadow": [shadow], "metrics": ENHANCED}
    front.write(orjson.dumps({"generation": 2, "endpoints": {"123456789012/eu-west-1/e": entry}}))
    await front.invoke()
    await front.inference.mirror.idle()
    assert instances(front) == {"i-new": (1, 0, 1), "i-dark": (1, 0, 1)}
    front.stubs["new"].says = Unsent("nobody")
    await front.invoke()
    await front.inference.mirror.idle()
    assert instances(front) == {"i-old": (1, 0, 1), "i-dark": (1, 0, 1)}


async def test_each_container_of_a_component_is_counted(front: Front) -> None:
    """The same page: with InstanceId and ContainerId, beside the component's own metrics. K06."""
    listed = [{"name": "c", "variant": "v", "replicas": placed(x="i-1 one", y="i-2 two")}]
    host = {"name": "v", "weight": 1.0, "replicas": [], "hosts": 2}
    entry = {"arn": "a", "variants": [host], "components": listed, "metrics": ENHANCED}
    front.write(orjson.dumps({"generation": 2, "endpoints": {"123456789012/eu-west-1/e": entry}}))
    for _ in range(4):
        await front.invoke(x_amzn_sagemaker_inference_component="c")
    message = orjson.loads(front.counters.drain(0.0) or b"{}")
    counted = {
        each["dimensions"].get("ContainerId"): (each["dimensions"], each["statistics"])
        for each in message["samples"]
        if each["name"] == "InvocationsPerCopy"
    }
    assert counted[None] == ({"InferenceComponentName": "c"}, [4, 2.0, 0.5, 0.5])
    dimensions, statistics = counted["one"]
    assert statistics == [2, 2.0, 1.0, 1.0]
    assert dimensions == {
        "EndpointName": "e",
        "VariantName": "v",
        "InferenceComponentName": "c",
        "InstanceId": "i-1",
        "ContainerId": "one",
    }
    assert {each["instance"]: each["Invocations"] for each in message["instances"]} == {"i-1": 2, "i-2": 2}
