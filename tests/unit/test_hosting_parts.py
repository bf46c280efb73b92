"""Route snapshot, metrics, model data: the parts of hosting that stand alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from harness import Harness
from support.objects import MemoryObjects
from support.serving import archive

from sagewright.base.world import World
from sagewright.features.hosting.metrics import record_invocations, record_use
from sagewright.features.hosting.publish import Publisher, route_key
from sagewright.front.counters import Counters
from sagewright.kernel.errands import ErrandFailed
from sagewright.objects.transfer import Access
from sagewright.serving.model import fetch_model
from sagewright.signals import metrics
from sagewright.store.database import Transaction

HERE, THERE = World("123456789012", "us-east-1"), World("123456789012", "eu-west-1")
ACCESS = Access("us-east-1", "arn:aws:iam::123456789012:role/r")
VARIANTS: list[dict[str, Any]] = [
    {"name": "a", "weight": 1.0, "replicas": [{"protocol": "frames", "socket": "/s", "port": 8080}]}
]


class TestPublisher:
    def read(self, snapshot: Path) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(snapshot.read_bytes())
        return found

    def test_the_snapshot_has_the_documented_form(self, tmp_path: Path) -> None:
        """docs/architecture.md, route snapshot."""
        publisher = Publisher(tmp_path / "routes.json")
        publisher.put(HERE, "e", "arn:e", VARIANTS)
        publisher.put(THERE, "e", "arn:f", [])
        assert self.read(tmp_path / "routes.json") == {
            "generation": 2,
            "endpoints": {
                "123456789012/us-east-1/e": {"arn": "arn:e", "variants": VARIANTS},
                "123456789012/eu-west-1/e": {"arn": "arn:f", "variants": []},
            },
        }

    def test_what_is_there_already_is_not_written_again(self, tmp_path: Path) -> None:
        publisher = Publisher(tmp_path / "routes.json")
        publisher.put(HERE, "e", "arn:e", VARIANTS)
        before = (tmp_path / "routes.json").stat()
        publisher.put(HERE, "e", "arn:e", VARIANTS)
        publisher.drop(THERE, "e")
        assert (tmp_path / "routes.json").stat() == before

    def test_a_new_control_keeps_the_routes_of_what_is_still_there(self, tmp_path: Path) -> None:
        first = Publisher(tmp_path / "routes.json")
        first.put(HERE, "e", "arn:e", VARIANTS)
        first.put(HERE, "gone", "arn:g", VARIANTS)
        second = Publisher(tmp_path / "routes.json")
        second.open({route_key(HERE, "e")})
        assert list(self.read(tmp_path / "routes.json")["endpoints"]) == ["123456789012/us-east-1/e"]
        second.drop(HERE, "e")
        document = self.read(tmp_path / "routes.json")
        assert document == {"generation": 4, "endpoints": {}}

    def test_components_go_with_their_endpoint(self, tmp_path: Path) -> None:
        """K06: a new control keeps those of endpoints that are still there."""
        entry = {"name": "c", "variant": "a", "replicas": VARIANTS[0]["replicas"]}
        first = Publisher(tmp_path / "routes.json")
        first.put(HERE, "e", "arn:e", VARIANTS)
        first.put_component(HERE, "e", "c", entry)
        first.put_component(HERE, "e", "d", {**entry, "name": "d"})
        second = Publisher(tmp_path / "routes.json")
        second.open({route_key(HERE, "e")})
        second.put_component(HERE, "e", "d", None)
        assert self.read(tmp_path / "routes.json")["endpoints"][route_key(HERE, "e")]["components"] == [entry]
        written = (tmp_path / "routes.json").stat()
        second.put(HERE, "e", "arn:e", VARIANTS)
        second.put_component(HERE, "e", "c", entry)
        assert (tmp_path / "routes.json").stat() == written
        second.drop(HERE, "e")
        assert self.read(tmp_path / "routes.json")["endpoints"] == {}

    @pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"generation": 1}'])
    def test_a_lost_or_broken_snapshot_is_begun_anew(self, tmp_path: Path, content: bytes | None) -> None:
        if content is not None:
            (tmp_path / "routes.json").write_bytes(content)
        publisher = Publisher(tmp_path / "routes.json")
        publisher.open(set())
        publisher.put(HERE, "e", "arn:e", VARIANTS)
        assert list(self.read(tmp_path / "routes.json")["endpoints"]) == ["123456789012/us-east-1/e"]


def test_what_the_front_counted_is_what_cloudwatch_tells() -> None:
    """K18; DG monitoring-cloudwatch: Sum of Invocations counts calls, latencies are in microseconds."""
    counters = Counters(loads=lambda: [(route_key(HERE, "e"), "a", 6, 2)])
    for status, seconds in ((200, 0.001), (200, 0.003), (400, 0.002)):
        counters.answered(route_key(HERE, "e"), "a", status, seconds, 0.0001)
    counters.unanswered(route_key(HERE, "e"), "a")
    with Harness() as sagewright:
        body = counters.drain(sagewright.clock.now())
        assert body is not None
        sagewright.run(record_invocations(sagewright.parts.store, body, lambda key, variant: 2))
        found = {name: statistics(sagewright, name) for name in NAMES}
    assert found["Invocations"]["Sum"] == 4
    assert found["Invocation4XXErrors"]["Sum"] == 1
    assert found["Invocation5XXErrors"]["Sum"] == 1
    assert found["InvocationModelErrors"]["Average"] == 0.5
    assert found["ModelLatency"] == {"Sum": 6000.0, "Average": 2000.0, "Minimum": 1000.0, "Maximum": 3000.0, "SampleCount": 3.0}
    assert found["OverheadLatency"]["Average"] == pytest.approx(100)
    assert found["InvocationsPerInstance"] == {"Sum": 2.0, "Average": 0.5, "Minimum": 0.5, "Maximum": 0.5, "SampleCount": 4.0}
    assert found["ConcurrentRequestsPerModel"]["Maximum"] == 3.0


def test_what_serverless_variants_needed_at_once() -> None:
    """DG serverless-endpoints-monitoring: as parts of what is allowed and of what is provisioned."""
    route = {"max_concurrency": 8, "provisioned": 4}
    key = route_key(HERE, "e")
    with Harness() as sagewright:
        body = orjson.dumps([[key, "a", 2], [key, "none", 1]])
        sagewright.run(record_use(sagewright.parts.store, body, lambda _, variant: route if variant == "a" else {}))
        assert statistics(sagewright, "ServerlessProvisionedConcurrencyUtilization")["Maximum"] == 0.5
        assert statistics(sagewright, "ServerlessConcurrentExecutionsUtilization")["Maximum"] == 0.25


NAMES = (
    "Invocations",
    "Invocation4XXErrors",
    "Invocation5XXErrors",
    "InvocationModelErrors",
    "ModelLatency",
    "OverheadLatency",
    "InvocationsPerInstance",
    "ConcurrentRequestsPerModel",
)


def statistics(sagewright: Harness, name: str) -> dict[str, float]:
    dimensions = {"EndpointName": "e", "VariantName": "a"}
    now = sagewright.clock.now()

    def read(transaction: Transaction) -> dict[str, float]:
        (bucket,) = metrics.statistics(
            transaction, HERE, "AWS/SageMaker", name, dimensions, start=now - 3600, end=now + 3600, period=7200
        )
        found = {kind: bucket.statistic(kind) for kind in ("Sum", "Average", "Minimum", "Maximum", "SampleCount")}
        return {kind: value for kind, value in found.items() if value is not None}

    return sagewright.run(sagewright.parts.store.read(read))


class TestModelData:
    @pytest.fixture
    def objects(self) -> MemoryObjects:
        objects = MemoryObjects("bucket")
        objects.put("s3://bucket/m/model.tar.gz", archive({"weights": b"1", "code/inference.py": b"2"}))
        objects.put("s3://bucket/p/a.bin", b"a")
        objects.put("s3://bucket/p/deep/b.bin", b"b")
        return objects

    def source(self, uri: str, kind: str, compression: str) -> dict[str, Any]:
        return {"ModelDataSource": {"S3DataSource": {"S3Uri": uri, "S3DataType": kind, "CompressionType": compression}}}

    def files(self, folder: Path) -> list[str]:
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    @pytest.mark.parametrize(
        ("uri", "kind", "compression", "expected"),
        [
            ("s3://bucket/m/model.tar.gz", "S3Object", "Gzip", ["model/code/inference.py", "model/weights"]),
            ("s3://bucket/p/", "S3Prefix", "None", ["model/a.bin", "model/deep/b.bin"]),
            ("s3://bucket/p/a.bin", "S3Object", "None", ["model/a.bin"]),
        ],
    )
    async def test_sources(
        self, objects: MemoryObjects, tmp_path: Path, uri: str, kind: str, compression: str, expected: list[str]
    ) -> None:
        """API S3ModelDataSource."""
        ml = tmp_path / "ml"
        for _ in range(2):
            await fetch_model(objects, self.source(uri, kind, compression), ml, ACCESS, 10)
        assert self.files(ml) == expected

    async def test_additional_sources_have_folders_of_their_own(self, objects: MemoryObjects, tmp_path: Path) -> None:
        """API AdditionalModelDataSource: /opt/ml/additional-model-data-sources/<channel>."""
        container = {
            **self.source("s3://bucket/p/a.bin", "S3Object", "None"),
            "AdditionalModelDataSources": [
                {"ChannelName": "draft", **self.source("s3://bucket/p/", "S3Prefix", "None")["ModelDataSource"]},
                {"ChannelName": "packed", **self.source("s3://bucket/m/model.tar.gz", "S3Object", "Gzip")["ModelDataSource"]},
            ],
        }
        for _ in range(2):
            await fetch_model(objects, container, tmp_path / "ml", ACCESS, 10)
        below = "additional-model-data-sources"
        assert self.files(tmp_path / "ml") == [
            f"{below}/draft/a.bin",
            f"{below}/draft/deep/b.bin",
            f"{below}/packed/code/inference.py",
            f"{below}/packed/weights",
            "model/a.bin",
        ]
        outside = {"AdditionalModelDataSources": [{**container["AdditionalModelDataSources"][0], "ChannelName": ".."}]}
        with pytest.raises(ErrandFailed, match="not a name"):
            await fetch_model(objects, outside, tmp_path / "other", ACCESS, 10)

    async def test_a_model_without_data_is_an_empty_folder(self, objects: MemoryObjects, tmp_path: Path) -> None:
        await fetch_model(objects, {"Image": "i"}, tmp_path / "ml", ACCESS, 10)
        assert (tmp_path / "ml/model").is_dir()

    async def test_the_users_code_comes_along(self, objects: MemoryObjects, tmp_path: Path) -> None:
        container = {"Environment": {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://bucket/m/model.tar.gz"}}
        await fetch_model(objects, container, tmp_path / "ml", ACCESS, 10)
        assert self.files(tmp_path / "ml") == ["code/sourcedir.tar.gz"]

    @pytest.mark.parametrize(
        ("uri", "kind"), [("s3://bucket/none", "S3Object"), ("s3://nowhere/x", "S3Prefix"), ("s3://bucket/none/", "S3Prefix")]
    )
    async def test_what_is_not_there_has_the_words_of_aws(
        self, objects: MemoryObjects, tmp_path: Path, uri: str, kind: str
    ) -> None:
        with pytest.raises(ErrandFailed, match=f'Failed to download model data for container "container_1" from URL: "{uri}"'):
            await fetch_model(objects, self.source(uri, kind, "None"), tmp_path / "ml", ACCESS, 10)

    async def test_s3_away_is_waited_for_and_not_for_ever(self, objects: MemoryObjects, tmp_path: Path) -> None:
        """API ProductionVariant: ModelDataDownloadTimeoutInSeconds."""
        objects.away = True
        with pytest.raises(ErrandFailed, match="could not be downloaded within"):
            await fetch_model(
                objects, self.source("s3://bucket/m/model.tar.gz", "S3Object", "Gzip"), tmp_path / "ml", ACCESS, 0.01
            )
