"""Control plane: signed, validated, durable calls on 8 connections beside an in-memory mock server in the same run; and 100 000 models."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from support.server import ROLE, XGBOOST, Server, running_server

from benchmarks import load
from benchmarks.figures import Figure, median_no_worse, median_ratio
from benchmarks.peers.process import peer
from sagewright.base.clock import SystemClock
from sagewright.base.world import World
from sagewright.store.database import Store, Transaction

_MANY = 100_000
_ROUNDS = 5
_CONNECTIONS = 8
_SECONDS = 1
_MOST_CREATES = 10_000
"""More than any side makes in a round."""
_MOTO_KEYS = ("AKIAEXAMPLEEXAMPLE00", "secret")


def figures() -> list[Figure]:
    with running_server() as server:
        ours = Side(server.settings.url, server.keys())
        with peer(["moto_server", "-H", "127.0.0.1", "-p", "{port}"]) as moto:
            theirs = Side(moto, _MOTO_KEYS)
            for side in (ours, theirs):
                load.once(side.url, [_create(side.url, side.keys, "warm")])
            rounds = [_round(number, ours, theirs) for number in range(_ROUNDS)]
        creates, describes = zip(*rounds, strict=True)
        return [
            median_ratio("CreateModel, durable, against the mock's memory", creates, 4, "req/s"),
            median_ratio("DescribeModel", describes, 10, "req/s"),
            *_large(),
        ]


@dataclass(frozen=True)
class Side:
    """A server and the keys to sign with."""

    url: str
    keys: tuple[str, str]


def _round(number: int, *sides: Side) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Requests per second of each side: CreateModel, DescribeModel. New names in every round: none is refused as taken."""
    names = [f"bench-{number}-{index}" for index in range(_MOST_CREATES)]
    creates = tuple(_rate(side.url, [_create(side.url, side.keys, name) for name in names]) for side in sides)
    request = {"ModelName": names[_CONNECTIONS]}  # wrk drops the first: it asks the script once for a trial
    describes = tuple(_rate(side.url, [_call(side.url, side.keys, "DescribeModel", request)]) for side in sides)
    return creates, describes


def _rate(url: str, requests: list[bytes]) -> float:
    result = load.run(url, requests, _CONNECTIONS, _SECONDS)
    if result.errors:
        raise RuntimeError(f"{result.errors} answers were errors")
    return result.rate


def _large() -> list[Figure]:
    """The same three calls with 100 models and with 100 000, in turns."""
    with _filled(100) as small, _filled(_MANY) as large:
        calls = {
            "ListModels page": ("ListModels", {"MaxResults": 10}),
            "ListModels NameContains page": ("ListModels", {"MaxResults": 10, "NameContains": "-00004"}),
            "DescribeModel": ("DescribeModel", {"ModelName": "fill-000042"}),
        }
        return [
            median_no_worse(
                f"{name}, {_MANY:,} models against 100",
                [(_p50(large, *call), _p50(small, *call)) for _ in range(_ROUNDS)],
                2.0,
                "ms",
            )
            for name, call in calls.items()
        ]


def _p50(server: Server, operation: str, request: dict[str, object]) -> float:
    result = load.run(server.settings.url, [_call(server.settings.url, server.keys(), operation, request)], 1, _SECONDS)
    if result.errors:
        raise RuntimeError(f"{operation} fails")
    return result.p50


@contextlib.contextmanager
def _filled(count: int) -> Iterator[Server]:
    """A server with models fill-000000 …: one made through the API, the others copies of its row."""
    with running_server() as server:
        load.once(server.settings.url, [_create(server.settings.url, server.keys(), "fill-000000")])
        server.stop()
        asyncio.run(_copy(server.settings.database_url, count))
        server.start()
        yield server


async def _copy(database: str, count: int) -> None:
    store = await Store.open(database, SystemClock())
    try:
        for start in range(1, count, 1000):
            numbers = range(start, min(start + 1000, count))
            await store.write(lambda transaction, numbers=numbers: _insert_copies(transaction, numbers))
    finally:
        await store.close()


def _insert_copies(transaction: Transaction, numbers: Iterable[int]) -> None:
    first = transaction.resources.get(World("123456789012", "us-east-1"), "Model", "fill-000000")
    assert first is not None
    for number in numbers:
        name = f"fill-{number:06}"
        arn = first.arn.replace("fill-000000", name)
        spec = {**first.spec, "ModelName": name}
        at = first.created + number / 1000
        transaction.resources.insert(replace(first, key=name, name=name, arn=arn, spec=spec, created=at, modified=at))


def _create(url: str, keys: tuple[str, str], name: str) -> bytes:
    request = {
        "ModelName": name,
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": XGBOOST, "ModelDataUrl": "s3://bucket/model.tar.gz"},
    }
    return _call(url, keys, "CreateModel", request)


def _call(url: str, keys: tuple[str, str], operation: str, request: dict[str, object]) -> bytes:
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"SageMaker.{operation}"}
    return load.signed(url, "POST", "/", json.dumps(request).encode(), headers, keys)
