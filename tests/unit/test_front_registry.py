"""The way to the registry of images (G12): whose it is, what is asked of the registry behind, what comes back. With a stub registry."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.front import FrontRig, settings_in, short_folder

from sagewright.base.clock import VirtualClock
from sagewright.front.body import Body
from sagewright.front.registry import Registry
from sagewright.front.streamed import Streamed
from sagewright.wire.credentials import Keyring
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response

WORLD = ("123456789012", "us-east-1")
OURS = f"/v2/{WORLD[0]}/{WORLD[1]}/algo"


class StubControl:
    """Knows the repositories ``algo`` and ``fixed`` (immutable)."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.away = False

    async def handle(self, caller: Any, request: Request) -> Response:
        if self.away:
            raise Fault("ServiceUnavailable", "The service is starting or stopping; please try again.", 503)
        (name,) = json.loads(request.body)["repositoryNames"]
        self.asked.append({**caller.document(), "name": name, "target": request.headers["x-amz-target"]})
        if name not in ("algo", "fixed"):
            return Response(400, [], json.dumps({"__type": "RepositoryNotFoundException", "message": f"no {name}"}).encode())
        mutability = "IMMUTABLE" if name == "fixed" else "MUTABLE"
        return Response(200, [], json.dumps({"repositories": [{"imageTagMutability": mutability}]}).encode())


class Rig:
    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock()
        self.keyring = Keyring.open(folder / "credentials.json")
        self.control = StubControl()
        self.socket = folder / "registry.sock"
        self.registry = Registry(self.keyring, self.clock, self.control, self.socket)  # type: ignore[arg-type]
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.seen.append((first, headers, body))
        writer.write(self.answer.encode())
        await writer.drain()
        writer.close()

    def password(self, seconds: float = 60.0) -> str:
        return self.keyring.registry_password(*WORLD, "arn:aws:iam::123456789012:user/u", self.clock.now() + seconds)

    async def ask(
        self, method: str, path: str, query: str = "", body: bytes = b"", password: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        secret = self.password() if password is None else password
        given = {"authorization": "Basic " + base64.b64encode(f"AWS:{secret}".encode()).decode(), "host": "127.0.0.1:8400"}
        given |= {"content-length": str(len(body)), **headers}
        answer = await self.registry.handle(Request(method, path, query, given), Body.of(body))
        content = b"".join([part async for part in answer.parts]) if isinstance(answer, Streamed) else answer.body
        return answer.status, {name.lower(): value for name, value in answer.headers}, content


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    server = await asyncio.start_unix_server(made.serve, made.socket)
    yield made
    await made.registry.close()
    server.close()
    await server.wait_closed()


def code(body: bytes) -> str:
    return str(json.loads(body)["errors"][0]["code"])


async def test_who_is_nobody_is_asked_for_a_password(rig: Rig) -> None:
    """Docker finds out by this header how to log in."""
    session = rig.keyring.mint(WORLD[0], "arn:aws:iam::123456789012:role/R", "s", 60, rig.clock.now()).token
    for headers in ({"authorization": ""}, {"authorization": "Bearer x"}, {"authorization": "Basic %%%"}):
        status, found, body = await rig.ask("GET", "/v2/", **headers)
        assert (status, code(body)) == (401, "UNAUTHORIZED")
        assert found["www-authenticate"].startswith('Basic realm="http://127.0.0.1:8400/"')
    for password in ("", "made up", session, rig.password()[:-2]):
        assert (await rig.ask("GET", f"{OURS}/manifests/v1", password=password))[0] == 401
    root = base64.b64encode(f"root:{rig.password()}".encode()).decode()
    assert (await rig.ask("GET", "/v2/", authorization=f"Basic {root}"))[0] == 401
    assert rig.seen == []


async def test_a_password_that_is_over(rig: Rig) -> None:
    status, _, body = await rig.ask("GET", "/v2/", password=rig.password(-1.0))
    assert (status, code(body)) == (403, "DENIED")
    assert b"authorization token has expired" in body


async def test_the_way_there_and_back(rig: Rig) -> None:
    """The registry knows a repository by account and region; the caller does not, and the password goes no further."""
    rig.answer = f"HTTP/1.1 202 Accepted\r\nLocation: {OURS}/blobs/uploads/1?_state=x\r\nDocker-Upload-UUID: 1\r\nContent-Length: 0\r\n\r\n"
    status, headers, _ = await rig.ask(
        "PATCH", "/v2/algo/blobs/uploads/1", "_state=a%2Bb", b"layer", **{"content-range": "0-4"}
    )
    (asked, sent, body) = rig.seen[-1]
    assert asked == f"PATCH {OURS}/blobs/uploads/1?_state=a%2Bb HTTP/1.1"
    assert (body, sent["content-range"]) == (b"layer", "0-4")
    assert "authorization" not in sent
    assert (status, headers["location"], headers["docker-upload-uuid"]) == (202, "/v2/algo/blobs/uploads/1?_state=x", "1")
    await rig.ask("POST", "/v2/algo/blobs/uploads/", "mount=sha256%3Aaa&from=fixed")
    assert rig.seen[-1][0] == f"POST {OURS}/blobs/uploads/?mount=sha256%3Aaa&from=123456789012%2Fus-east-1%2Ffixed HTTP/1.1"
    status, _, body = await rig.ask("POST", "/v2/algo/blobs/uploads/", "mount=x&from=../../other")
    assert (status, code(body)) == (400, "NAME_INVALID")


async def test_the_list_of_tags_has_the_callers_name(rig: Rig) -> None:
    content = json.dumps({"name": "123456789012/us-east-1/algo", "tags": ["v1"]})
    link = f"Link: <{OURS}/tags/list?last=v1&n=1>; rel=next"
    rig.answer = f"HTTP/1.1 200 OK\r\n{link}\r\nContent-Length: {len(content)}\r\n\r\n{content}"
    status, headers, body = await rig.ask("GET", "/v2/algo/tags/list")
    assert (status, json.loads(body)) == (200, {"name": "algo", "tags": ["v1"]})
    assert headers["link"] == "</v2/algo/tags/list?last=v1&n=1>; rel=next"


async def test_control_is_asked_whose_repository_it_is_and_not_too_often(rig: Rig) -> None:
    for _ in range(3):
        assert (await rig.ask("GET", "/v2/algo/manifests/v1"))[0] == 200
    (asked,) = rig.control.asked
    assert (asked["account"], asked["region"], asked["service"], asked["name"]) == (*WORLD, "ecr", "algo")
    assert asked["target"].endswith(".DescribeRepositories")
    status, _, body = await rig.ask("POST", "/v2/none/blobs/uploads/")
    assert (status, code(body)) == (404, "NAME_UNKNOWN")


@pytest.mark.parametrize(
    "path", ["/v2/algo", "/v2/_catalog", "/v2/../algo/manifests/x", "/v2/Algo/manifests/x", "/v2/algo/other/x"]
)
async def test_paths_that_lead_nowhere(rig: Rig, path: str) -> None:
    status, _, body = await rig.ask("GET", path)
    assert (status, code(body)) == (404, "NAME_INVALID")
    assert rig.seen == []


async def test_while_control_is_away_it_says_so(rig: Rig) -> None:
    """Docker reads the registry's form of an error, and tries again after a 503."""
    rig.control.away = True
    status, _, body = await rig.ask("GET", "/v2/algo/manifests/v1")
    assert (status, code(body)) == (503, "UNAVAILABLE")


async def test_images_are_not_deleted_here(rig: Rig) -> None:
    status, _, body = await rig.ask("DELETE", "/v2/algo/manifests/v1")
    assert (status, code(body)) == (405, "UNSUPPORTED")
    assert (await rig.ask("DELETE", "/v2/algo/blobs/uploads/1"))[0] == 200, "an upload may be given up"


async def test_an_immutable_tag_is_written_once(rig: Rig) -> None:
    status, _, body = await rig.ask("PUT", "/v2/fixed/manifests/v1", body=b"{}")
    assert (status, code(body)) == (400, "TAG_INVALID")
    rig.answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    await rig.ask("PUT", "/v2/fixed/manifests/v2", body=b"{}")
    assert [asked.partition(" ")[0] for asked, _, _ in rig.seen] == ["HEAD", "HEAD", "PUT"]
    await rig.ask("PUT", f"/v2/fixed/manifests/sha256:{'a' * 64}", body=b"{}")
    assert rig.seen[-1][0].startswith("PUT"), "a digest is what it is"


async def test_without_a_registry_it_says_so(rig: Rig) -> None:
    rig.socket.unlink()
    status, _, body = await rig.ask("GET", "/v2/algo/manifests/v1")
    assert (status, code(body)) == (503, "UNAVAILABLE")
    assert b"sagewright doctor" in body


def test_the_gateway_tells_the_registry_from_the_rest() -> None:
    """No bucket has a name of two letters; unsigned requests elsewhere are S3's and are refused in its words."""
    with short_folder() as folder, FrontRig(settings_in(folder)) as rig:
        for path, kind in (("/v2/", "application/json"), ("/v2", "application/json"), ("/v2x/key", "application/xml")):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{rig.url}{path}", timeout=10)
            with refused.value as answer:
                assert answer.headers["Content-Type"] == kind, path
