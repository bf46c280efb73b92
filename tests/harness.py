"""boto3 against Sagewright in one process, without a socket: every test can speak boto3.

    with Harness() as sagewright:
        sagemaker = sagewright.client("sagemaker")
        sagemaker.create_model(ModelName="m", PrimaryContainer={"Image": "i"}, ExecutionRoleArn=ROLE)

A hook before botocore's own sending hands each signed request to ``Api.handle`` on a private event loop's thread. Parsing, validation,
handlers, rows and errors are the real ones; only HTTP and the signature check are left out. Give ``install`` to register a feature::

    Harness(controllers={"Endpoint"}, install=lambda parts: hosting.register(parts.engine, parts.operations))
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from sagewright.base.clock import Clock, SystemClock
from sagewright.base.world import World
from sagewright.features.records.registration import register
from sagewright.kernel.api import Api
from sagewright.kernel.client import LocalClient
from sagewright.kernel.crud import Made
from sagewright.kernel.engine import Engine
from sagewright.kernel.kind import Rule
from sagewright.kernel.operation import Caller, Operations
from sagewright.objects.s3 import Objects
from sagewright.store.database import Store
from sagewright.wire.http import Request

T = TypeVar("T")

WORLD = World("123456789012", "us-east-1")
CALLER = Caller(WORLD, f"arn:aws:iam::{WORLD.account}:user/tester", "AKIDTESTER")
ROLE = f"arn:aws:iam::{WORLD.account}:role/service-role/SageMaker"
IMAGE = f"{WORLD.account}.dkr.ecr.{WORLD.region}.amazonaws.com/image:1"

_SESSION = boto3.session.Session(aws_access_key_id="AKIDTESTER", aws_secret_access_key="secret", region_name=WORLD.region)
"""Shared, because it keeps the service models it has read."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What composition makes, for ``install``."""

    store: Store
    operations: Operations
    engine: Engine
    api: Api
    client: LocalClient


class Harness:
    """See the module docstring. ``caller`` is who every request comes from; ``client(…, region)`` may speak to another region."""

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        controllers: Collection[str] = (),
        rules: Mapping[str, Sequence[Rule]] | None = None,
        quirks: Mapping[str, Mapping[str, Any]] | None = None,
        made: Made | None = None,
        objects: Objects | None = None,
        install: Callable[[Parts], None] | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self._composition = {"controllers": controllers, "rules": rules, "quirks": quirks, "made": made}
        self._install = install
        self._objects = objects
        self._folder = TemporaryDirectory(prefix="sagewright-test-")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sagewright-test-loop", daemon=True)
        self.parts: Parts

    def __enter__(self) -> Harness:
        self._thread.start()
        self.parts = self.run(self._compose())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.run(self.parts.store.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
        self._folder.cleanup()

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 60) -> T:
        """Runs a coroutine on the harness's loop and waits for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def client(
        self, service: str, region: str = WORLD.region, account: str = WORLD.account, arn: str = CALLER.arn, **options: Any
    ) -> Any:
        """A boto3 client of this Sagewright, of whoever ``arn`` is; ``options`` go to boto3 (for example ``config``)."""
        caller = Caller(World(account, region), arn, CALLER.access_key)
        options.setdefault("config", Config(retries={"total_max_attempts": 1}, parameter_validation=True))
        client = _SESSION.client(service, region, endpoint_url="http://sagewright.invalid", **options)
        signing_name = client.meta.service_model.signing_name

        def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
            return self._send(caller, signing_name, request)

        client.meta.events.register_last("before-send", send)
        return client

    def _send(self, caller: Caller, signing_name: str, request: AWSPreparedRequest) -> AWSResponse:
        answer = self.run(self.parts.api.handle(caller, signing_name, _received(request)))
        return AWSResponse(request.url, answer.status, dict(answer.headers), _Body(answer.body))

    async def _compose(self) -> Parts:
        store = await Store.open(f"sqlite:///{Path(self._folder.name) / 'sagewright.db'}", self.clock)
        operations = Operations()
        engine = Engine(store, operations, **self._composition)  # type: ignore[arg-type]
        register(engine, operations, self._objects)
        api = Api(operations, self.clock)
        parts = Parts(store, operations, engine, api, LocalClient(api))
        if self._install:
            self._install(parts)
        return parts


class _Body:
    """What botocore reads an answer's body from."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Any:
        yield self._body

    def read(self, *_: Any) -> bytes:
        body, self._body = self._body, b""
        return body


def _received(request: AWSPreparedRequest) -> Request:
    url = urlsplit(request.url)
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    body = request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    return Request(request.method, url.path or "/", url.query, headers, body.encode() if isinstance(body, str) else bytes(body))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
