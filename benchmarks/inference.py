"""InvokeEndpoint, one row × 30 features, 100 trees of depth 6, signed, through the front, beside model servers that hold the same model.

The peers answer unsigned: the signature is our handicap. Each peer runs alone beside us, because some use the processor while they are
idle; rounds with the two in turn, and the median of the rounds' ratios.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks import load
from benchmarks.endpoint import Bench, ask, bench, serve
from benchmarks.figures import Figure, at_least, median, median_no_worse, median_ratio, print_table
from benchmarks.peers.model_servers import FASTAPI, GRANIAN, PEERS, ModelServer
from benchmarks.peers.process import DoesNotStart

_CONCURRENCIES = (1, 8, 32)
_MANY_ROWS = 100
_LARGE = 6_000_000
_ROUNDS = 3
_MORE_ROUNDS = 5


Rounds = dict[int, list[tuple[load.Result, load.Result]]]
"""By concurrency: ours and theirs of each round."""


def figures() -> list[Figure]:
    with bench() as ours:
        against, missing = _compare(ours)
        if not against:
            return [_best(against, missing), *_captured(ours)]
        print_table(_TABLE, _table(against, missing))
        return [*_ratios(against, missing), *_payloads(ours), *_captured(ours)]


def _compare(ours: Bench) -> tuple[dict[ModelServer, Rounds], dict[ModelServer, str]]:
    """The rounds of each peer, and why there are none."""
    against: dict[ModelServer, Rounds] = {}
    missing: dict[ModelServer, str] = {}
    for peer in PEERS:
        try:
            against[peer] = _rounds(ours, peer)
        except DoesNotStart as problem:
            missing[peer] = str(problem)
    return against, missing


def _rounds(ours: Bench, peer: ModelServer) -> Rounds:
    with peer.running(ours.model, ours.row, ours.expected) as url:
        theirs = (url, [load.plain(url, peer.path, peer.body(ours.row), peer.content_type)])
        mine = (ours.url, ours.request(ours.line))
        for side in (mine, theirs):
            ask(*side, 8)
        return {number: [(ask(*mine, number), ask(*theirs, number)) for _ in range(_ROUNDS)] for number in _CONCURRENCIES}


_TABLE = ("", *(f"{what} at {number}" for number in _CONCURRENCIES for what in ("req/s", "p50 ms", "p99 ms")))


def _table(against: dict[ModelServer, Rounds], missing: dict[ModelServer, str]) -> list[Sequence[str]]:
    ours = {number: [mine for rounds in against.values() for mine, _ in rounds[number]] for number in _CONCURRENCIES}
    theirs = [
        (peer.name, {number: [its for _, its in pairs] for number, pairs in rounds.items()}) for peer, rounds in against.items()
    ]
    return [*(_line(*side) for side in [("ours, signed", ours), *theirs]), *((peer.name, why) for peer, why in missing.items())]


def _line(name: str, results: dict[int, list[load.Result]]) -> Sequence[str]:
    cells = [name]
    for found in results.values():
        cells += [f"{median(each.rate for each in found):,.0f}"]
        cells += [f"{median(each.p50 for each in found):.2f}", f"{median(each.p99 for each in found):.2f}"]
    return cells


def _ratios(against: dict[ModelServer, Rounds], missing: dict[ModelServer, str]) -> list[Figure]:
    """Beside FastAPI, granian and the best of the model servers; and our own percentiles."""
    tails = [_tail(number, [mine for rounds in against.values() for mine, _ in rounds[number]]) for number in _CONCURRENCIES]
    found = [_best(against, missing), *tails]
    if FASTAPI in against:
        one = [(ours.p50, theirs.p50) for ours, theirs in against[FASTAPI][1]]
        found.append(median_no_worse("p50 at concurrency 1, against FastAPI", one, 1.0, "ms"))
    targets = {FASTAPI: 5.0, GRANIAN: 3.0}
    for peer, rounds in against.items():
        if not peer.is_product:
            rates = _rates(rounds)
            name = f"requests/s at concurrency 32, against {peer.name}"
            found.append(median_ratio(name, rates, targets[peer], "req/s") if peer in targets else _ratio(name, rates))
    return found


def _best(against: dict[ModelServer, Rounds], missing: dict[ModelServer, str]) -> Figure:
    """Beside the model server that comes nearest; a server that could not be measured might be it."""
    products = {peer: _rates(rounds) for peer, rounds in against.items() if peer.is_product}
    absent = [peer.name for peer in missing if peer.is_product]
    name = "requests/s at concurrency 32, against the best model server"
    if not products or absent:
        return Figure(name, f"not measured: {', '.join(absent)}", ">= 8x", False)
    best = min(products, key=lambda peer: median(ours / theirs for ours, theirs in products[peer]))
    return median_ratio(f"{name}, {best.name}", products[best], 8.0, "req/s")


def _rates(rounds: Rounds) -> list[tuple[float, float]]:
    return [(ours.rate, theirs.rate) for ours, theirs in rounds[32]]


def _ratio(name: str, rounds: Sequence[tuple[float, float]]) -> Figure:
    return Figure(name, f"{median(ours / theirs for ours, theirs in rounds):.2f}x")


def _tail(number: int, results: Iterable[load.Result]) -> Figure:
    found = list(results)
    ratio = median(each.p99 / each.p50 for each in found)
    value = f"{ratio:.2f}x   ({median(each.p99 for each in found):.2f} against {median(each.p50 for each in found):.2f} ms)"
    return Figure(f"p99 at concurrency {number}, against p50", value, "<= 3x", ratio <= 3)


def _payloads(ours: Bench) -> list[Figure]:
    """Requests of many rows: a hundred of them, and as many as make six megabytes."""
    body = ours.line * _MANY_ROWS
    url, many = ours.url, ours.request(body)
    with GRANIAN.running(ours.model, ours.row, ours.expected) as granian:
        theirs = [load.plain(granian, GRANIAN.path, body, GRANIAN.content_type)]
        rounds = [(ask(url, many, 8).rate, ask(granian, theirs, 8).rate) for _ in range(_MORE_ROUNDS)]
    large = ours.request(ours.line * (_LARGE // len(ours.line)))
    moved = [ask(url, large, 4).rate * _LARGE / 1e6 for _ in range(3)]
    return [
        at_least(f"requests/s of {_MANY_ROWS} rows at concurrency 8", median(ours for ours, _ in rounds), 1800, "req/s"),
        median_ratio(f"requests/s of {_MANY_ROWS} rows at concurrency 8, against granian", rounds, 1.96, "req/s"),
        Figure(f"answered payloads of {_LARGE / 1e6:.0f} MB (21 000 rows, read and predicted)", f"{median(moved):,.0f} MB/s"),
    ]


def _captured(ours: Bench) -> list[Figure]:
    """The same endpoint with all of its calls captured, in turn with one that captures none."""
    capture = {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://bench-inference/captured",
        "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }
    serve(ours.server, "captured", DataCaptureConfig=capture)
    url, plain, captured = ours.url, ours.request(ours.line), ours.request(ours.line, "captured")
    rates = [(ask(url, captured, 32).rate, ask(url, plain, 32).rate) for _ in range(_MORE_ROUNDS)]
    latency = [(ask(url, captured, 1).p50, ask(url, plain, 1).p50) for _ in range(_MORE_ROUNDS)]
    return [
        median_ratio("requests/s at concurrency 32 with every call captured, against none", rates, 0.7, "req/s"),
        median_no_worse("p50 at concurrency 1 with every call captured, against none", latency, 1.1, "ms"),
    ]
