"""An input that is the answer to a query (API DatasetDefinition): which engine asks what of whom, and the form of the answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sagewright.features.processing.folder import below
from sagewright.jobs.refusals import unsupported

Spec = Mapping[str, Any]
Format = tuple[str, str]
"""The options of the answer's form, as the engine writes them, and the ending of its files' names."""

# Athena's files have no header and fields ended by ^A; its default compression is GZIP (CREATE TABLE AS of the Athena guide).
_ATHENA: Mapping[tuple[str, str], Format] = {
    ("PARQUET", "GZIP"): ("FORMAT parquet, COMPRESSION gzip", "parquet"),
    ("PARQUET", "SNAPPY"): ("FORMAT parquet, COMPRESSION snappy", "parquet"),
    ("JSON", "GZIP"): ("FORMAT json, COMPRESSION gzip", "json.gz"),
    ("TEXTFILE", "GZIP"): ("FORMAT csv, HEADER false, DELIMITER '\x01', COMPRESSION gzip", "txt.gz"),
}
# Redshift's UNLOAD: CSV without header, Parquet in SNAPPY.
_REDSHIFT: Mapping[tuple[str, str], Format] = {
    ("PARQUET", "None"): ("FORMAT parquet, COMPRESSION snappy", "parquet"),
    ("PARQUET", "SNAPPY"): ("FORMAT parquet, COMPRESSION snappy", "parquet"),
    ("PARQUET", "GZIP"): ("FORMAT parquet, COMPRESSION gzip", "parquet"),
    ("PARQUET", "ZSTD"): ("FORMAT parquet, COMPRESSION zstd", "parquet"),
    ("CSV", "None"): ("FORMAT csv, HEADER false", "csv"),
    ("CSV", "GZIP"): ("FORMAT csv, HEADER false, COMPRESSION gzip", "csv.gz"),
    ("CSV", "ZSTD"): ("FORMAT csv, HEADER false, COMPRESSION zstd", "csv.zst"),
}


@dataclass(frozen=True, slots=True)
class Dataset:
    """``root`` is where the engine's tables stand in the list of tables, ``catalog`` and ``schema`` what a plain name is below.

    ``uri`` is where the answer lies in S3 and ``below`` where it comes to under /opt/ml; ``sharded``: each instance gets a part.
    """

    name: str
    root: tuple[str, ...]
    catalog: str
    schema: str
    query: str
    uri: str
    form: Format
    below: str
    sharded: bool


def datasets(spec: Spec) -> tuple[Dataset, ...]:
    """Of a request that ``problems`` finds nothing in."""
    return tuple(_dataset(item) for item in spec.get("ProcessingInputs", ()) if "DatasetDefinition" in item)


def problems(definition: Spec) -> Iterator[str]:
    """What is wrong with one, but for its LocalPath."""
    athena, redshift = definition.get("AthenaDatasetDefinition"), definition.get("RedshiftDatasetDefinition")
    if (athena is None) == (redshift is None):
        yield "specify exactly one of AthenaDatasetDefinition and RedshiftDatasetDefinition."
    elif definition.get("InputMode", "File") != "File":
        yield unsupported(f"InputMode {definition['InputMode']} of a DatasetDefinition")
    elif _form(definition) is None:
        asked = athena or redshift or {}
        yield unsupported(
            f"OutputFormat {asked['OutputFormat']} with OutputCompression {asked.get('OutputCompression', 'None')}"
        )


def output_uri(definition: Spec) -> str:
    """OutputS3Uri of either."""
    found: str = (definition.get("AthenaDatasetDefinition") or definition["RedshiftDatasetDefinition"])["OutputS3Uri"]
    return found


def _dataset(item: Spec) -> Dataset:
    definition = item["DatasetDefinition"]
    form = _form(definition)
    if form is None:
        raise ValueError(f"{item['InputName']} has a form that nobody writes")
    asked = definition.get("AthenaDatasetDefinition") or definition["RedshiftDatasetDefinition"]
    athena = "AthenaDatasetDefinition" in definition
    return Dataset(
        name=item["InputName"],
        root=("athena",) if athena else ("redshift", asked["ClusterId"]),
        catalog=asked["Catalog"] if athena else asked["Database"],
        schema=asked["Database"] if athena else "public",
        query=asked["QueryString"],
        uri=asked["OutputS3Uri"],
        form=form,
        below=below(definition["LocalPath"]),
        sharded=definition.get("DataDistributionType") == "ShardedByS3Key",
    )


def _form(definition: Spec) -> Format | None:
    if athena := definition.get("AthenaDatasetDefinition"):
        return _ATHENA.get((athena["OutputFormat"], athena.get("OutputCompression", "GZIP")))
    redshift = definition["RedshiftDatasetDefinition"]
    return _REDSHIFT.get((redshift["OutputFormat"], redshift.get("OutputCompression", "None")))
