"""Inputs that are answers to queries: the real SQL engine on tables in S3; containers and S3 are stand-ins.

Feature rows B04, C01; API AthenaDatasetDefinition, RedshiftDatasetDefinition.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pyarrow.parquet
import pytest
from harness import ROLE
from support.processing import ProcessingRig, cluster

from sagewright.compute.runtime import InstanceSpec
from sagewright.jobs import steps

TABLES = """
[athena.AwsDataCatalog.sales.orders]
location = "s3://bucket/orders/"
format = "csv"

[athena.AwsDataCatalog.stock.items]
location = "s3://bucket/items/"
format = "json"

[redshift.warehouse.dev.public.orders]
location = "s3://bucket/orders/"
format = "csv"

[athena.AwsDataCatalog.sales.formless]
location = "s3://bucket/orders/"
"""
LOCAL = "/opt/ml/processing/input/answer"


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessingRig]:
    monkeypatch.setattr(steps, "WAIT_SECONDS", 0.2)
    with ProcessingRig(tmp_path) as made:
        made.tables.write_text(TABLES)
        made.objects.put("s3://bucket/orders/2024/a.csv", b"id,item,price\n1,x,2.5\n2,y,4\n")
        made.objects.put("s3://bucket/orders/2025/b.csv", b"id,item,price\n3,x,1\n4,x,8\n")
        made.objects.put("s3://bucket/items/i.json", b'{"item": "x", "name": "an x"}\n{"item": "y", "name": "a y"}\n')
        yield made


def athena(query: str, form: str = "JSON", compression: str = "", **changes: Any) -> dict[str, Any]:
    asked = {"Catalog": "AwsDataCatalog", "Database": "sales", "QueryString": query, "OutputS3Uri": "s3://bucket/answers"}
    chosen = {"OutputFormat": form, **({"OutputCompression": compression} if compression else {})}
    definition = {"AthenaDatasetDefinition": {**asked, **chosen}, "LocalPath": LOCAL, "InputMode": "File"}
    return {"InputName": "answer", "DatasetDefinition": {**definition, **changes}}


def redshift(query: str, form: str, compression: str = "None") -> dict[str, Any]:
    asked = {
        "ClusterId": "warehouse",
        "Database": "dev",
        "DbUser": "me",
        "QueryString": query,
        "ClusterRoleArn": ROLE,
        "OutputS3Uri": "s3://bucket/answers",
        "OutputFormat": form,
        "OutputCompression": compression,
    }
    return {"InputName": "answer", "DatasetDefinition": {"RedshiftDatasetDefinition": asked, "LocalPath": LOCAL}}


def brought(rig: ProcessingRig, source: dict[str, Any], count: int = 1) -> dict[str, bytes]:
    """What the container finds, by host and file name."""
    found: dict[str, bytes] = {}

    def keeps(spec: InstanceSpec) -> int:
        for file in (spec.ml / "processing/input/answer").iterdir():
            found[f"{spec.hostname}/{file.name}"] = file.read_bytes()
        return 0

    rig.runtime.program = keeps
    rig.create(ProcessingInputs=[source], ProcessingResources=cluster(count))
    job = rig.ended()
    assert job["ProcessingJobStatus"] == "Completed", job
    return found


def failure(rig: ProcessingRig, source: dict[str, Any]) -> str:
    rig.create(ProcessingInputs=[source])
    job = rig.ended()
    assert job["ProcessingJobStatus"] == "Failed", job
    assert rig.runtime.started == []
    return str(job["FailureReason"])


def test_a_join_over_two_databases(rig: ProcessingRig) -> None:
    query = (
        'WITH o AS (SELECT * FROM Orders) SELECT o.id, i.name FROM o JOIN "stock"."items" AS i ON o.item = i.item ORDER BY id'
    )
    found = brought(rig, athena(query))
    rows = [json.loads(line) for line in gzip.decompress(found["algo-1/part-00000.json.gz"]).splitlines()]
    assert [row["name"] for row in rows] == ["an x", "a y", "an x", "an x"]
    assert "answers/job/0/part-00000.json.gz" in rig.objects.keys("bucket")
    assert not list(rig.jobs.rglob("table-*"))


def test_parquet_with_a_name_in_three_parts(rig: ProcessingRig) -> None:
    query = "SELECT item, sum(price) AS total FROM AwsDataCatalog.sales.orders GROUP BY item ORDER BY item;"
    found = brought(rig, athena(query, "PARQUET", "SNAPPY"))
    assert pyarrow.parquet.read_table(io.BytesIO(found["algo-1/part-00000.parquet"])).to_pylist() == [
        {"item": "x", "total": 11.5},
        {"item": "y", "total": 4.0},
    ]


def test_text_of_athena_has_no_header_and_fields_end_with_a_control_character(rig: ProcessingRig) -> None:
    found = brought(rig, athena("SELECT id, item FROM orders ORDER BY id LIMIT 1", "TEXTFILE"))
    assert gzip.decompress(found["algo-1/part-00000.txt.gz"]) == b"1\x01x\n"


def test_redshift_shares_an_answer_out(rig: ProcessingRig) -> None:
    """API DatasetDefinition: DataDistributionType."""
    source = redshift("SELECT id FROM public.orders ORDER BY id", "CSV")
    source["DatasetDefinition"]["DataDistributionType"] = "ShardedByS3Key"
    found = brought(rig, source, 2)
    assert found == {"algo-1/part-00000.csv": b"1\n3\n", "algo-2/part-00001.csv": b"2\n4\n"}


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("SELECT * FROM absent", "there is no table athena.AwsDataCatalog.sales.absent in tables.toml"),
        ("SELECT * FROM formless", "needs a location and a format"),
        ("SELECT nothing FROM orders", 'Referenced column "nothing" not found'),
        ("SELEC 1", "syntax error"),
        ("DROP TABLE orders", "must be one SELECT"),
        ("SELECT 1; SELECT 2", "must be one SELECT"),
        ("SELECT * FROM read_text('/etc/passwd')", "Cannot access file"),
    ],
)
def test_what_a_query_may_not_do_is_the_reason(rig: ProcessingRig, query: str, text: str) -> None:
    reason = failure(rig, athena(query))
    assert reason.startswith("ClientError: The query of the input answer failed: ")
    assert text in reason


def test_data_of_a_table_that_are_not_there(rig: ProcessingRig) -> None:
    for key in [key for key in rig.objects.keys("bucket") if key.startswith("orders/")]:
        del rig.objects.buckets["bucket"][key]
    assert "s3://bucket/orders/" in failure(rig, athena("SELECT * FROM orders"))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (athena("SELECT 1", "ORC"), "OutputFormat ORC"),
        (athena("SELECT 1", "JSON", "ZLIB"), "OutputCompression ZLIB"),
        (redshift("SELECT 1", "CSV", "BZIP2"), "OutputCompression BZIP2"),
        (athena("SELECT 1", InputMode="Pipe"), "InputMode Pipe"),
        (athena("SELECT 1", LocalPath="/tmp/x"), "below /opt/ml/processing/"),
        ({"InputName": "a", "DatasetDefinition": {"LocalPath": LOCAL}}, "exactly one of AthenaDatasetDefinition"),
    ],
)
def test_what_cannot_be_is_refused_at_once(rig: ProcessingRig, source: dict[str, Any], text: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match=text):
        rig.create(ProcessingInputs=[source])
