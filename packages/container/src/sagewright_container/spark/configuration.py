"""The user's configuration.json: EMR's form, a list of classifications with properties. Pure.

https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-configure-apps.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_HADOOP = ("core-site", "hdfs-site", "hive-site", "mapred-site", "yarn-site")
_ENVIRONMENTS = ("spark-env", "hadoop-env", "yarn-env")


@dataclass(frozen=True)
class Configuration:
    """Properties for Spark, variables for its processes, and the classifications that mean nothing here."""

    properties: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: Any) -> Configuration:
        """Raises ValueError for a document of another form."""
        properties: dict[str, str] = {}
        environment: dict[str, str] = {}
        ignored = []
        for name, found in _classifications(document):
            if name == "spark-defaults":
                properties |= found
            elif name in _HADOOP:
                properties |= {f"spark.hadoop.{key}": value for key, value in found.items()}
            elif name in ("export", *_ENVIRONMENTS):
                environment |= found
            else:
                ignored.append(name)
        return cls(properties, environment, tuple(ignored))


def _classifications(document: Any) -> Iterator[tuple[str, dict[str, str]]]:
    for item in document if isinstance(document, list) else [document]:
        if not isinstance(item, Mapping) or not isinstance(item.get("Classification"), str):
            raise ValueError("configuration.json must hold objects with Classification and Properties")
        properties = item.get("Properties", {})
        if not isinstance(properties, Mapping):
            raise ValueError(f"Properties of {item['Classification']} must be an object")
        yield item["Classification"], {str(key): str(value) for key, value in properties.items()}
        yield from _classifications(item.get("Configurations", []))
