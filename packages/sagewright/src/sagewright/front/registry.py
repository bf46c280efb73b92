"""The way to the registry of images: ``docker login``, ``push`` and ``pull`` against the one port (OCI Distribution, /v2/).

The registry itself listens on a Unix socket and asks nobody who he is. Here the password of GetAuthorizationToken says whose
repositories are meant; control is asked whether there is such a repository, as on AWS, where a push makes none.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from sagewright.base.clock import Clock
from sagewright.base.world import World
from sagewright.compute.oci.layout import path_of
from sagewright.compute.oci.manifest import MANIFESTS
from sagewright.compute.oci.reference import NAME
from sagewright.front.body import Body
from sagewright.front.caller import Caller
from sagewright.front.control import Control
from sagewright.front.streamed import Answer, Streamed
from sagewright.objects.origin import Headers, Origin, OriginAnswer
from sagewright.wire.credentials import Keyring
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response

PATH = "/v2/"
_ROUTE = re.compile(rf"/v2/(?P<name>{NAME.pattern})/(?P<rest>(?:blobs|manifests|tags)/[^?#]*)")
_TARGET = "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories"
_OWN_HEADERS = frozenset(
    ("authorization", "connection", "content-length", "cookie", "expect", "host", "transfer-encoding", "upgrade")
)
_DROPPED = frozenset(("connection", "date", "keep-alive", "location", "link", "server", "transfer-encoding"))
_VERSION = ("Docker-Distribution-Api-Version", "registry/2.0")
_LONGEST_PATH = 1024
_REMEMBERED = 2.0  # seconds that a repository is believed to be there: a push asks dozens of times
_DOCUMENT_LIMIT = 4 * 1024 * 1024


class Refused(Exception):
    """An answer in the registry's form."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        body = orjson.dumps({"errors": [{"code": code, "message": message}]})
        self.answer = Response(status, [("Content-Type", "application/json"), _VERSION], body)


class Registry:
    """``socket`` is where the registry listens when there is one."""

    def __init__(self, keyring: Keyring, clock: Clock, control: Control, path: Path) -> None:
        self._keyring = keyring
        self._clock = clock
        self._control = control
        self._origin = Origin(_dial(path))
        self._known: dict[tuple[World, str], tuple[float, dict[str, Any]]] = {}

    async def handle(self, request: Request, body: Body) -> Answer:
        """Answers one request below /v2/."""
        try:
            caller = self._caller(request)
            if request.path.rstrip("/") == PATH.rstrip("/"):
                return Response(200, [("Content-Type", "application/json"), _VERSION], b"{}")
            return await self._repository(caller, request, body)
        except Refused as refused:
            return refused.answer
        except Fault as fault:  # control is away
            return Refused(fault.status, "UNAVAILABLE", fault.message).answer

    async def close(self) -> None:
        """Closes idle connections."""
        await self._origin.close()

    def _caller(self, request: Request) -> Caller:
        try:
            claims = self._keyring.registry_claims(_password(request.headers.get("authorization", "")), self._clock.now())
        except Fault as fault:
            if fault.code == "ExpiredTokenException":
                raise Refused(403, "DENIED", fault.message) from fault
            raise _unauthorized(request) from fault
        return Caller(claims["account"], claims["region"], "ecr", "", claims["arn"])

    async def _repository(self, caller: Caller, request: Request, body: Body) -> Answer:
        route = _ROUTE.fullmatch(request.path) if len(request.path) <= _LONGEST_PATH else None
        if route is None:
            raise Refused(404, "NAME_INVALID", "invalid repository name or operation")
        name, rest = route["name"], route["rest"]
        if request.method == "DELETE" and not rest.startswith("blobs/uploads/"):
            raise Refused(405, "UNSUPPORTED", "Images are deleted with BatchDeleteImage.")
        row = await self._row(caller, name)
        world = World(caller.account, caller.region)
        if request.method == "PUT" and rest.startswith("manifests/") and row["imageTagMutability"] == "IMMUTABLE":
            await self._refuse_second(world, name, rest.removeprefix("manifests/"))
        target = f"{PATH}{path_of(world, name)}/{rest}"
        query = _query(world, request.query)
        answer = await self._ask(request.method, f"{target}?{query}" if query else target, *_payload(request, body))
        return await _answer(world, name, rest, answer)

    async def _row(self, caller: Caller, name: str) -> dict[str, Any]:
        """DescribeRepositories of it. Raises Refused when there is none."""
        key = (World(caller.account, caller.region), name)
        loop = asyncio.get_running_loop()
        known = self._known.get(key)
        if known is not None and known[0] > loop.time():
            return known[1]
        self._known.pop(key, None)
        headers = {"x-amz-target": _TARGET, "content-type": "application/x-amz-json-1.1"}
        asked = Request("POST", "/", "", headers, orjson.dumps({"repositoryNames": [name]}))
        answer = await self._control.handle(caller, asked)
        document = orjson.loads(answer.body)
        if answer.status != 200:
            raise Refused(404, "NAME_UNKNOWN", str(document.get("message") or document.get("Message")))
        row: dict[str, Any] = document["repositories"][0]
        if len(self._known) > 1000:
            self._known.clear()
        self._known[key] = (loop.time() + _REMEMBERED, row)
        return row

    async def _refuse_second(self, world: World, name: str, tag: str) -> None:
        if tag.startswith("sha256:"):
            return
        target = f"{PATH}{path_of(world, name)}/manifests/{tag}"
        answer = await self._ask("HEAD", target, [("Accept", ", ".join(MANIFESTS))], b"")
        await answer.parts.aclose()
        if answer.status != 404:
            text = f"The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because the tag is immutable."
            raise Refused(400, "TAG_INVALID", text)

    async def _ask(self, method: str, target: str, headers: Headers, body: Any) -> OriginAnswer:
        try:
            return await self._origin.exchange(method, target, [("Host", "localhost"), *headers], body)
        except ConnectionResetError:  # the client's
            raise
        except ConnectionError as away:
            raise Refused(503, "UNAVAILABLE", "There is no registry for images: see sagewright doctor.") from away
        except TimeoutError as silent:
            raise Refused(503, "UNAVAILABLE", "The registry did not answer in time.") from silent


def _dial(path: Path) -> Any:
    async def dial() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, str(path))
        except BaseException:
            connection.close()
            raise
        return connection

    return dial


def _password(authorization: str) -> str:
    """Of HTTP's Basic; empty when there is none. The user is always AWS."""
    kind, _, value = authorization.partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return password if name == "AWS" else ""


def _unauthorized(request: Request) -> Refused:
    refused = Refused(401, "UNAUTHORIZED", "Not Authorized")
    host = request.headers.get("host", "localhost").replace('"', "")
    refused.answer.headers.append(("WWW-Authenticate", f'Basic realm="http://{host}/",service="ecr.amazonaws.com"'))
    return refused


def _query(world: World, query: str) -> str:
    """A layer may be mounted from another repository: of the same account and region."""
    if not query:
        return ""
    pairs = parse_qsl(query, keep_blank_values=True)
    for key, value in pairs:
        if key == "from" and not NAME.fullmatch(value):
            raise Refused(400, "NAME_INVALID", "invalid repository name")
    return urlencode([(key, path_of(world, value) if key == "from" else value) for key, value in pairs])


def _payload(request: Request, body: Body) -> tuple[Headers, Any]:
    headers: Headers = [(name, value) for name, value in request.headers.items() if name not in _OWN_HEADERS]
    length = request.headers.get("content-length")
    if "transfer-encoding" in request.headers:
        return [*headers, ("Transfer-Encoding", "chunked")], aiter(body)
    if length is None or int(length) == 0:
        framing: Headers = [("Content-Length", "0")] if request.method in ("POST", "PUT", "PATCH") else []
        return [*headers, *framing], b""
    return [*headers, ("Content-Length", length)], aiter(body)


async def _answer(world: World, name: str, rest: str, answer: OriginAnswer) -> Answer:
    """As the caller knows the repository: without account and region."""
    ours, theirs = f"{PATH}{path_of(world, name)}/", f"{PATH}{name}/"
    headers = [(key, value) for key, value in answer.headers if key.lower() not in _DROPPED]
    for header in ("Location", "Link"):
        if value := answer.header(header.lower()):
            headers.append((header, value.replace(ours, theirs, 1)))
    if rest.startswith("tags/") and answer.status == 200:
        document = orjson.loads(await answer.read(_DOCUMENT_LIMIT))
        kept = [(key, value) for key, value in headers if key.lower() != "content-length"]
        return Response(200, kept, orjson.dumps({**document, "name": name}))
    return Streamed(answer.status, headers, answer.parts)
