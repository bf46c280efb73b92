"""InvokeEndpoint: from the route table to a replica and back. The hot path of the whole product.

Nothing here waits for anything but the model: the caller is proven already, counters are additions, the route table is in memory.
Errors are raised as wire.errors.Fault in the words of the runtime service (``ValidationError``, not ``ValidationException``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from time import perf_counter

from sagewright.compute.pipeline import CONTAINER, blame
from sagewright.compute.replica import Address, Answer, Broken, Chunks, StreamedAnswer, Unsent
from sagewright.front import components, containers, multi_model, serverless
from sagewright.front.call import HEADERS, STREAM_HEADERS, Call, Caller, reply_headers
from sagewright.front.capture import Capture
from sagewright.front.counters import Counters
from sagewright.front.halt_polling import HaltPolling
from sagewright.front.model_errors import PRIMARY, TIMED_OUT, model_error, stream_error
from sagewright.front.multi_model import MultiModel, Refused, nobody
from sagewright.front.routes import NOWHERE, Endpoint, RouteTable, Variant
from sagewright.front.sessions import NEW, Sessions
from sagewright.front.shadow import Mirror
from sagewright.front.streamed import Events, Streamed
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response
from sagewright.wire.protocols import eventstream

BODY_LIMIT = 25 * 1024 * 1024
"""Bytes of a request body. The guide's newer text (deploy-model-options) says 25 MB; its older one and the service's model say 6."""

STREAM_SECONDS = 480.0
"""A streamed answer may take so long (the same page: 8 minutes)."""

MODEL_TIMEOUT = 60.0
"""Seconds a container has to answer, and to send the next part of a stream (Developer Guide, your-algorithms-inference-code)."""

PART_LIMIT = 1024 * 1024
"""Bytes of one PayloadPart; botocore refuses events over 16 MiB."""

_LONGEST_ID = 64  # the runtime service's model, InferenceId
_IS_ASYNCHRONOUS = "Endpoint {} is an asynchronous endpoint. Please use the InvokeEndpointAsync API."
"""AWS refuses with a ValidationError; its words are not documented, these are a guess."""


class Inference:
    """The operations of the SageMaker runtime service."""

    def __init__(
        self,
        routes: RouteTable,
        counters: Counters,
        timeout: float = MODEL_TIMEOUT,
        capture: Capture | None = None,
        sessions: Sessions | None = None,
        models: MultiModel | None = None,
        gates: serverless.Gates | None = None,
        polling: HaltPolling | None = None,
    ) -> None:
        self._routes = routes
        self._sessions = sessions
        self._capture = capture
        self._gates = gates or serverless.Gates(routes, serverless.nobody)
        self._counters = counters
        self._timeout = timeout
        self.mirror = Mirror(counters, timeout, capture)
        self._models = models or MultiModel(nobody, counters)
        self._polling = polling or HaltPolling()

    async def handle(self, caller: Caller, request: Request) -> Response | Streamed:
        """Answers ``POST /endpoints/<name>/<action>``. Raises Fault."""
        started = perf_counter()
        self._polling.called(started)
        try:
            return await self._handle(caller, request, started)
        finally:
            self._polling.done(perf_counter())

    async def _handle(self, caller: Caller, request: Request, started: float) -> Response | Streamed:
        _, _, name, action = (*request.path.split("/", 3), "", "")[:4]
        if action == "invocations":
            call = self._call(caller, name, request, HEADERS, started)
            if call.variant.models is not None:
                await self._aim(call, request)
            if "session_id" in call.headers:
                return await self._in_session(call)
            return await self._invoke(call)
        if action == "invocations-response-stream":
            call = self._call(caller, name, request, STREAM_HEADERS, started)
            if call.variant.models is not None:
                await self._aim(call, request)
            if "session_id" in call.headers:
                await self._join(call)
            return await self._stream(call)
        raise Fault("UnknownOperationException", f"There is no operation {request.method} {request.path}.", 404)

    def _call(self, caller: Caller, name: str, request: Request, names: tuple[tuple[str, str], ...], started: float) -> Call:
        key = f"{caller.account}/{caller.region}/{name}"
        endpoint = self._routes.find(key)
        if endpoint is None:
            raise Fault("ValidationError", f"Endpoint {name} of account {caller.account} not found.")
        if endpoint.asynchronous:
            raise Fault("ValidationError", _IS_ASYNCHRONOUS.format(name))
        given = request.headers
        if len(request.body) > BODY_LIMIT:
            raise Fault("ValidationError", f"The request body has {len(request.body)} bytes; {BODY_LIMIT} are allowed.", 413)
        _refuse_unsupported(name, given)
        headers = {short: given[header] for header, short in names if header in given}
        if len(headers.get("inference_id", "")) > _LONGEST_ID:
            raise Fault("ValidationError", f"The inference ID is longer than {_LONGEST_ID} characters.")
        for value in headers.values():
            if len(value) > 1024 or not value.isascii() or "\n" in value or "\r" in value:
                raise Fault("ValidationError", "A header of the request is longer than 1024 characters or not a line of ASCII.")
        component = given.get(components.HEADER)
        if endpoint.components is None and component is None:
            variant = _variant(endpoint, name, given.get("x-amzn-sagemaker-target-variant"))
        else:
            variant = components.choose(name, key, endpoint, component, self._counters)
            if variant.adapter:
                headers["adapter"], headers["adapter_alias"] = variant.adapter, component or ""
        if endpoint.shadow is not None:
            self.mirror.copy(key, endpoint.shadow, dict(headers), request.body, endpoint.capture)
        if variant.containers is not None or containers.HEADER in given:
            containers.aim(name, variant.containers, given.get(containers.HEADER), headers)
        if variant.models is not None or multi_model.HEADER in given:
            multi_model.check(name, variant, given.get(multi_model.HEADER))
        return Call(caller, name, key, variant, headers, request.body, started, endpoint, component)

    async def _aim(self, call: Call, request: Request) -> None:
        """Has the model of a multi-model endpoint loaded before the clock of the model begins."""
        try:
            target = request.headers[multi_model.HEADER]
            call.replicas = await self._models.prepare(call.key, call.variant, target, call.headers)
        except Refused as refused:
            self._counters.unanswered(call.key, call.variant.name, call.variant.config)
            raise model_error(call, refused.answer.status, refused.answer.body) from refused
        except Unsent as problem:
            raise self._unreachable(call) from problem
        except (Broken, TimeoutError) as problem:
            raise self._unanswered(call, problem) from problem

    async def _invoke(self, call: Call) -> Response:
        sent = perf_counter()
        self._polling.asked(sent)
        answer = await self._ask(call)
        answered = perf_counter()
        self._polling.answered(answered)
        self._count(call, answer.status, sent, answered)
        if not 200 <= answer.status < 300:
            raise model_error(call, answer.status, answer.body, answer.headers.get(CONTAINER, PRIMARY))
        if call.endpoint.capture is not None and self._capture is not None:
            self._capture.take(call.key, call.variant.name, call.endpoint.capture, call.headers, call.body, answer)
        if call.session is not None:
            await self._note(call, call.session, answer)
        return Response(200, reply_headers(call, answer.headers, "Content-Type"), answer.body)

    async def _in_session(self, call: Call) -> Response:
        if call.headers["session_id"] == NEW:
            call.replicas = call.variant.by_load()[:1]  # whoever answers holds the session
        else:
            await self._join(call)
        call.session = call.replicas[0].address if call.replicas else None
        return await self._invoke(call)

    async def _join(self, call: Call) -> None:
        """The call goes to the container that holds its session."""
        identifier = call.headers["session_id"]
        if identifier == NEW:
            raise Fault(
                "ValidationError", "InvokeEndpointWithResponseStream cannot create a stateful session; use InvokeEndpoint."
            )
        if self._sessions is None:
            raise Fault("ValidationError", f"Session {identifier} not found.")
        call.variant, call.replicas = await self._sessions.join(call.endpoint, call.variant, call.key, identifier)

    async def _note(self, call: Call, address: Address, answer: Answer) -> None:
        if self._sessions is not None:
            try:
                await self._sessions.note(call.key, call.variant.name, address, answer.headers)
            except ValueError as problem:
                raise model_error(call, answer.status, str(problem).encode()) from problem

    async def _ask(self, call: Call) -> Answer:
        if call.variant.serverless:
            return await self._ask_serverless(call)
        for replica in call.replicas or call.variant.by_load():
            if call.variant.places:
                call.place = call.variant.places.get(replica.address, NOWHERE)
            try:
                return await replica.invoke(call.headers, call.body, self._timeout)
            except Unsent:
                continue
            except (Broken, TimeoutError) as problem:
                raise self._unanswered(call, problem) from problem
        raise self._unreachable(call)

    async def _ask_serverless(self, call: Call) -> Answer:
        """By a container of its own, which may have to be started first."""
        if len(call.body) > serverless.BODY_LIMIT:
            raise serverless.too_large(len(call.body))
        while True:
            async with self._gates.lent(call.key, call.variant) as lent:
                try:
                    return await lent.replica.invoke(call.headers, call.body, self._timeout)
                except Unsent:
                    lent.is_gone()
                except (Broken, TimeoutError) as problem:
                    raise self._unanswered(call, problem) from problem

    async def _stream(self, call: Call) -> Streamed:
        if call.variant.serverless:
            raise Fault("ValidationError", f"Endpoint {call.name} is serverless and does not support response streaming.")
        sent = perf_counter()
        status, headers, chunks = await self._ask_streaming(call)
        if not 200 <= status < 300:
            body = await self._collect(call, chunks)
            self._count(call, status, sent, perf_counter())
            raise model_error(call, status, body, headers.get(CONTAINER, PRIMARY))
        return Streamed(
            200,
            [
                *reply_headers(call, headers, "X-Amzn-SageMaker-Content-Type"),
                ("Content-Type", eventstream.CONTENT_TYPE),
            ],
            Events(self._events(call, headers, chunks, sent), chunks),
        )

    async def _ask_streaming(self, call: Call) -> StreamedAnswer:
        for replica in call.replicas or call.variant.by_load():
            if call.variant.places:
                call.place = call.variant.places.get(replica.address, NOWHERE)
            try:
                return await replica.stream(call.headers, call.body, self._timeout)
            except Unsent:
                continue
            except (Broken, TimeoutError) as problem:
                raise self._unanswered(call, problem) from problem
        raise self._unreachable(call)

    async def _collect(self, call: Call, chunks: Chunks) -> bytes:
        try:
            async with asyncio.timeout(self._timeout):
                return b"".join([part async for part in chunks])
        except (Broken, TimeoutError) as problem:
            raise self._unanswered(call, problem) from problem

    async def _events(self, call: Call, headers: dict[str, str], chunks: Chunks, sent: float) -> AsyncGenerator[bytes, None]:
        """The answer as events; what goes wrong now is an event too, because the status is already with the client."""
        last, whole = sent + STREAM_SECONDS, False
        plan = call.endpoint.capture
        kept = self._capture.gather(call.key, call.variant.name, plan) if plan is not None and self._capture else None
        try:
            while True:
                async with asyncio.timeout(min(self._timeout, last - perf_counter())):
                    part = await anext(chunks, None)
                if part is None:
                    break
                if kept is not None:
                    kept.add(part)
                for start in range(0, len(part), PART_LIMIT):
                    yield eventstream.encode_event("PayloadPart", part[start : start + PART_LIMIT])
        except TimeoutError:
            self._counters.unanswered(call.key, call.variant.name, call.variant.config, call.place.instance)
            yield stream_error(TIMED_OUT.format(headers.get(CONTAINER, PRIMARY)), "ModelInvocationTimeExceeded")
        except Broken as problem:
            self._counters.unanswered(call.key, call.variant.name, call.variant.config, call.place.instance)
            yield stream_error(str(problem), "StreamBroken")
        else:
            whole = True
            self._count(call, 200, sent, perf_counter())
        finally:
            chunks.close()
            if kept is not None:
                kept.end(call.headers, call.body, headers, whole=whole)

    def _count(self, call: Call, status: int, sent: float, answered: float) -> None:
        variant, place = call.variant, call.place
        took = answered - sent, sent - call.started
        self._counters.answered(call.key, variant.name, status, *took, variant.config, place.instance)
        if call.component is not None:
            components.count(call.key, call.component, variant, status, *took, self._counters, place)

    def _unanswered(self, call: Call, problem: Exception) -> Fault:
        self._counters.unanswered(call.key, call.variant.name, call.variant.config, call.place.instance)
        if call.component is not None:
            components.count(call.key, call.component, call.variant, 0, 0.0, 0.0, self._counters, call.place)
        container = blame(problem) or PRIMARY
        said = TIMED_OUT.format(container) if isinstance(problem, TimeoutError) else str(problem)
        return model_error(call, 0, said.encode(), container)

    def _unreachable(self, call: Call) -> Fault:
        self._counters.unanswered(call.key, call.variant.name, call.variant.config)
        return Fault(
            "ServiceUnavailable", f"No instance of variant {call.variant.name} of endpoint {call.name} can be reached.", 503
        )


_UNSUPPORTED = {
    "x-amzn-sagemaker-enable-explanations": "Endpoint {} has no explainer and does not support enable explanations header.",
}


def _refuse_unsupported(name: str, given: dict[str, str]) -> None:
    for header, message in _UNSUPPORTED.items():
        if header in given:
            raise Fault("ValidationError", message.format(name))


def _variant(endpoint: Endpoint, name: str, target: str | None) -> Variant:
    if target is not None:
        variant = endpoint.by_name.get(target)
        if variant is None:
            raise Fault("ValidationError", f"Variant {target} of endpoint {name} not found.")
    else:
        variant = endpoint.choose()
        if variant is None:
            raise Fault("ServiceUnavailable", f"No variant of endpoint {name} has a weight above zero.", 503)
    return variant if variant.green is None else variant.turn()
