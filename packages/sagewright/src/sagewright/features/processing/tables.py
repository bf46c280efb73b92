"""The tables that a query may name: ``tables.toml`` in the data folder says where in S3 the data of each lie.

[athena.AwsDataCatalog.sales.orders]      # athena, Catalog, Database, table
location = "s3://bucket/orders/"          # every object under it
format = "csv"                            # csv (with a header), parquet or json (a line each)

[redshift.warehouse.dev.public.orders]    # redshift, ClusterId, Database, schema, table
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMATS = ("csv", "parquet", "json")


@dataclass(frozen=True, slots=True)
class Table:
    """Where the data of a table lie, and in which of FORMATS."""

    location: str
    format: str


def find(file: Path, path: Sequence[str]) -> Table:
    """The table at a path of names, whose case does not matter. Raises LookupError with a sentence for the user."""
    found: Any = _read(file)
    for name in path:
        below = {key.lower(): value for key, value in found.items()} if isinstance(found, Mapping) else {}
        if name.lower() not in below:
            raise LookupError(f"there is no table {'.'.join(path)} in {file.name} of the server's data folder.")
        found = below[name.lower()]
    if not isinstance(found, Mapping) or not isinstance(found.get("location"), str) or found.get("format") not in FORMATS:
        raise LookupError(f"the table {'.'.join(path)} in {file.name} needs a location and a format of {', '.join(FORMATS)}.")
    return Table(found["location"], found["format"])


def _read(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise LookupError(f"{file.name} of the server's data folder cannot be read: {problem}") from problem
