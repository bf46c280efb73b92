"""A client of one replica that has several containers: they answer one after the other, or the caller names the one that answers.

What one answers is the body of the next, and its content type goes with it; the caller's Accept is for the last (Developer Guide,
inference-pipeline-real-time). The first answer that is no success is the answer of all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from sagewright.compute.payload import FilePayload
from sagewright.compute.replica import Address, Answer, Broken, Chunks, Replica, StreamedAnswer, Unsent
from sagewright.compute.replicas import open_replica

TARGET = "target_container"
"""The key of ``headers`` that names the one container that is to answer; no container sees it."""
CONTAINER = ":container"
"""The name of the container whose answer this is, in an answer's headers: no header of a container begins with a colon."""


def blame(problem: BaseException) -> str:
    """The container that a Broken or TimeoutError of a pipeline is about; empty when it is not of one."""
    return str(getattr(problem, "container", ""))


def open_place(place: Mapping[str, Any], connect: Callable[[Address], Replica] = open_replica) -> Replica:
    """A client of a replica as the route snapshot has it: of one container or of several."""
    if "members" in place:
        return Pipeline({member["name"]: connect(address_of(member)) for member in place["members"]})
    return connect(address_of(place))


def address_of(place: Mapping[str, Any]) -> Address:
    """The address in an entry of the route snapshot."""
    return Address(place["protocol"], place["socket"], place.get("port", 8080))


class Pipeline:
    """``members`` by name, in their order. ``told`` gets the name of a container and the seconds that it took."""

    def __init__(self, members: Mapping[str, Replica], told: Callable[[str, float], None] = lambda name, seconds: None) -> None:
        self._members = dict(members)
        self._told = told
        self._first = next(iter(self._members.values()))

    @property
    def address(self) -> Address:
        """That of the first container."""
        return self._first.address

    @property
    def in_flight(self) -> int:
        """Calls that some container works on."""
        return sum(member.in_flight for member in self._members.values())

    async def invoke(self, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        """See Replica; ``timeout`` is for all containers together."""
        until = asyncio.get_running_loop().time() + timeout
        given, answer = _without_target(headers), Answer(0, {}, body)
        for at, (name, member) in enumerate(self._asked(headers)):
            with self._timed(name, at):
                answer = await member.invoke(self._for(name, given, headers), answer.body, self._left(until))
            answer.headers[CONTAINER] = name
            if not 200 <= answer.status < 300:
                break
            given = _handed_on(given, answer)
        return answer

    async def stream(self, headers: Mapping[str, str], body: bytes | FilePayload, timeout: float) -> StreamedAnswer:
        """See Replica: all but the last answer whole, in memory."""
        until = asyncio.get_running_loop().time() + timeout
        *before, (last, member) = self._asked(headers)
        if before and isinstance(body, FilePayload):
            body = await asyncio.to_thread(body.file.read_bytes)
        given = _without_target(headers)
        for at, (name, each) in enumerate(before):
            assert not isinstance(body, FilePayload)
            with self._timed(name, at):
                answer = await _collected(each, self._for(name, given, headers), body, self._left(until))
            answer.headers[CONTAINER] = name
            if not 200 <= answer.status < 300:
                return _whole(answer)
            given, body = _handed_on(given, answer), answer.body
        with self._timed(last, len(before)):
            streamed = await member.stream(self._for(last, given, headers), body, self._left(until))
        streamed.headers[CONTAINER] = last
        return streamed

    async def ping(self, timeout: float) -> bool:
        """See Replica: whether all can serve."""
        return all(await asyncio.gather(*(member.ping(timeout) for member in self._members.values())))

    async def get(self, path: str, timeout: float) -> Answer:
        """See Replica: of the first container."""
        return await self._first.get(path, timeout)

    def close(self) -> None:
        """See Replica."""
        for member in self._members.values():
            member.close()

    def _asked(self, headers: Mapping[str, str]) -> list[tuple[str, Replica]]:
        target = headers.get(TARGET)
        if target is None:
            return list(self._members.items())
        if target not in self._members:  # another fleet's
            raise Unsent(f"there is no container {target}")
        return [(target, self._members[target])]

    def _for(self, name: str, given: dict[str, str], headers: Mapping[str, str]) -> dict[str, str]:
        """The caller's Accept is for the container whose answer the caller gets."""
        is_last = TARGET in headers or name == next(reversed(self._members))
        return given if is_last else {key: value for key, value in given.items() if key != "accept"}

    def _left(self, until: float) -> float:
        return max(0.001, until - asyncio.get_running_loop().time())

    @contextmanager
    def _timed(self, name: str, at: int) -> Iterator[None]:
        """``at``: how many containers have answered before; what they have seen must not be sent to them again."""
        began = perf_counter()
        try:
            yield
        except Unsent as problem:
            problem.container = name  # type: ignore[attr-defined]
            if not at:
                raise
            broken = Broken(f"container {name} could not be reached: {problem}")
            broken.container = name  # type: ignore[attr-defined]
            raise broken from problem
        except (ConnectionError, TimeoutError) as problem:
            problem.container = name  # type: ignore[union-attr]
            raise
        finally:
            self._told(name, perf_counter() - began)


async def _collected(member: Replica, headers: dict[str, str], body: bytes | FilePayload, timeout: float) -> Answer:
    if isinstance(body, bytes):
        return await member.invoke(headers, body, timeout)
    async with asyncio.timeout(timeout):
        status, head, chunks = await member.stream(headers, body, timeout)
        return Answer(status, head, b"".join([part async for part in chunks]))


def _without_target(headers: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != TARGET}


def _handed_on(given: dict[str, str], answer: Answer) -> dict[str, str]:
    changed = dict(given)
    if "content-type" in answer.headers:
        changed["content_type"] = answer.headers["content-type"]
    if "x-amzn-sagemaker-custom-attributes" in answer.headers:
        changed["custom_attributes"] = answer.headers["x-amzn-sagemaker-custom-attributes"]
    return changed


def _whole(answer: Answer) -> StreamedAnswer:
    parts = [answer.body] if answer.body else []

    async def take() -> bytes | None:
        return parts.pop() if parts else None

    return StreamedAnswer(answer.status, answer.headers, Chunks(take, parts.clear))
