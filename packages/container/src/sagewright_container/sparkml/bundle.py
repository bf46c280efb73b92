"""MLeap's bundles of the JSON format: ``bundle.json``, and below ``root`` a folder for each stage with node.json and model.json.

A value that is zero, false or empty is left out by whoever wrote the bundle: ``{"intercept": {}}`` is 0.
(https://combust.github.io/mleap-docs/mleap-bundle)
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_KINDS = ("double", "float", "long", "int", "short", "byte", "boolean", "string")
_BIG_ENDIAN = {"double": ">f8", "float": ">f4", "long": ">i8", "int": ">i4", "short": ">i2", "byte": ">i1", "boolean": "?"}
_NAME = re.compile(r"[\w. :@+-]+")


class BundleError(Exception):
    """The folder holds no bundle that can be served; the text is for the user."""


@dataclass(frozen=True)
class Model:
    """What a stage has learned. ``folder`` is the model's own; the values are read by what they are expected to be."""

    op: str
    attributes: Mapping[str, Any]
    folder: Path

    @classmethod
    def read(cls, folder: Path) -> Model:
        """Raises BundleError."""
        document = _read(folder / "model.json")
        if "op" not in document:
            raise BundleError(f"{folder.name}/model.json names no op")
        return cls(str(document["op"]), document.get("attributes") or {}, folder)

    def has(self, name: str) -> bool:
        """Whether it is written, be it as nothing."""
        return name in self.attributes

    def number(self, name: str, otherwise: float | None = None) -> float:
        """Raises BundleError for an attribute that is not there, unless there is something ``otherwise``."""
        if otherwise is not None and not self.has(name):
            return otherwise
        value = self._value(name)
        return float(next((value[kind] for kind in _KINDS[:6] if kind in value), 0))

    def text(self, name: str, otherwise: str) -> str:
        """A string."""
        return str(self.attributes.get(name, {}).get("string", "")) or otherwise

    def flag(self, name: str) -> bool:
        """A boolean; what is not there is false."""
        return bool(self.attributes.get(name, {}).get("boolean", False))

    def strings(self, name: str) -> list[str]:
        """A list. Raises BundleError."""
        return [str(item) for item in self._value(name).get("string", [])]

    def numbers(self, name: str) -> Array:
        """A list or a tensor in the order in which it lies there, as doubles. JSON has no infinite numbers: they are null. Raises BundleError."""
        value = self._value(name)
        if "value" in value and "base" in value:
            if value.get("indices"):
                raise BundleError(f"{self.folder.name}: the attribute {name} is a sparse tensor")
            return np.frombuffer(base64.b64decode(value["value"]), _BIG_ENDIAN[value["base"]]).astype(np.float64)
        found: list[Any] = next((value[kind] for kind in _KINDS[:6] if kind in value), [])
        return np.array([np.nan if item is None else item for item in found], np.float64)

    def dimensions(self, name: str) -> list[int]:
        """Of a tensor. Raises BundleError."""
        shape = self._value(name).get("shape") or {}
        return [int(dimension.get("size", 0)) for dimension in shape.get("dimensions", [])]

    def _value(self, name: str) -> Mapping[str, Any]:
        if name not in self.attributes:
            raise BundleError(f"{self.folder.name}: the op {self.op} has no attribute {name}")
        value: Mapping[str, Any] = self.attributes[name]
        return value


@dataclass(frozen=True)
class Node:
    """A stage: columns by the names of its ports."""

    name: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    model: Model

    @classmethod
    def read(cls, folder: Path) -> Node:
        """Raises BundleError."""
        document = _read(folder / "node.json")
        shape = document.get("shape") or {}
        inputs, outputs = (
            {str(socket["port"]): str(socket["name"]) for socket in shape.get(side, [])} for side in ("inputs", "outputs")
        )
        return cls(str(document.get("name", folder.name)), inputs, outputs, Model.read(folder))

    def children(self) -> list[Node]:
        """Of a pipeline, in their order. Raises BundleError."""
        names = self.model.strings("nodes")
        for name in names:
            if not _NAME.fullmatch(name) or not name.strip("."):
                raise BundleError(f"{name!r} is no name for a stage")
        return [Node.read(self.model.folder / f"{name}.node") for name in names]


def read_bundle(folder: Path) -> Node:
    """The root. Raises BundleError."""
    about = _read(folder / "bundle.json")
    if about.get("format", "json") != "json":
        raise BundleError(f"the bundle is of the format {about['format']}; only json can be read")
    return Node.read(folder / "root")


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BundleError(f"there is no {file.parent.name}/{file.name}: the archive must hold an unpacked bundle") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{file.parent.name}/{file.name} is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise BundleError(f"{file.parent.name}/{file.name} is no JSON object")
    return document
