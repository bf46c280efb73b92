"""Hyperparameters as the user sent them (strings) over the manifest's defaults, checked with the words of AWS's JSON schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.manifest import Hyperparameter, Manifest

AUTO = "auto"
# Every container of the family takes these; none of them changes a result here (algorithms.md 2).
HIDDEN = frozenset(
    ("_tuning_objective_metric", "_kvstore", "_num_gpus", "_num_kv_servers", "_log_level", "_enable_profiler", "force_dense")
)
_FLAGS = {"True": True, "true": True, "False": False, "false": False}
_INTEGER_PATTERN = "^([1-9][0-9]*)$"
_NUMBER_PATTERN = r"^([-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?)$"


class Hyperparameters:
    """Checked values, by name. What was not sent and has no default is not set."""

    def __init__(self, manifest: Manifest, given: Mapping[str, Any]) -> None:
        """Raises ClientError."""
        sent = {name: str(value).strip() for name, value in given.items()}
        _check_names(manifest, sent)
        self.final = {item.name: item.default for item in manifest.hyperparameters if item.default is not None} | sent
        self._values = {
            item.name: _checked(item, self.final[item.name]) for item in manifest.hyperparameters if item.name in self.final
        }
        self._sent = frozenset(sent)

    def is_set(self, name: str) -> bool:
        """Whether there is a value other than "auto"."""
        return bool(self._values.get(name, AUTO) != AUTO)

    def was_sent(self, name: str) -> bool:
        """Whether the user chose the value."""
        return name in self._sent

    def integer(self, name: str, auto: int | None = None) -> int:
        """``auto`` stands in for "auto" and for what is not set."""
        return int(self._value(name, auto))

    def number(self, name: str, auto: float | None = None) -> float:
        """``auto`` stands in for "auto" and for what is not set."""
        return float(self._value(name, auto))

    def text(self, name: str) -> str:
        """A value of an enumeration, "" when it is not set."""
        return str(self._values.get(name, ""))

    def flag(self, name: str, auto: bool | None = None) -> bool:
        """``auto`` stands in for "auto" and for what is not set."""
        return bool(self._value(name, auto))

    def listed(self, name: str) -> list[str]:
        """The members of a JSON list."""
        return list(self._values.get(name, ()))

    def _value(self, name: str, auto: Any) -> Any:
        if self.is_set(name):
            return self._values[name]
        if auto is None:
            raise ClientError(f"'{name}' is a required property")
        return auto


def _check_names(manifest: Manifest, sent: Mapping[str, str]) -> None:
    known = {item.name for item in manifest.hyperparameters} | HIDDEN | set(manifest.hidden)
    unknown = sorted(set(sent) - known)
    if unknown:
        listed = ", ".join(f"'{name}'" for name in unknown)
        verb = "was" if len(unknown) == 1 else "were"
        raise ClientError(f"Additional hyperparameters are not allowed ({listed} {verb} unexpected)")
    for item in manifest.hyperparameters:
        if item.required and item.name not in sent:
            raise ClientError(f"'{item.name}' is a required property")


def _checked(item: Hyperparameter, text: str) -> Any:
    """The value. Raises ClientError."""
    if item.type == "int" or item.type == "float":
        return text if text in item.choices and not _is_number(text) else _number(item, text)
    if item.type == "bool":
        if text in _FLAGS:
            return _FLAGS[text]
        if text in item.choices:
            return text
    elif item.type == "list":
        return _members(item, text)
    elif not item.choices or text in item.choices:
        return text
    raise _refusal(item, text, f"{text!r} is not one of {list(item.choices)}", "enum", {"enum": list(item.choices)})


def _number(item: Hyperparameter, text: str) -> float:
    try:
        value = int(text) if item.type == "int" else float(text)
    except ValueError:
        raise _not_valid(item, text) from None
    allowed = [int(choice) for choice in item.choices if _is_number(choice)]
    if not isfinite(value) or not item.contains(value) or (allowed and value not in allowed):
        raise _not_valid(item, text)
    return value


def _members(item: Hyperparameter, text: str) -> list[str]:
    try:
        members = json.loads(text)
    except ValueError:
        members = [part.strip() for part in text.split(",")]
    members = members if isinstance(members, list) else [members]
    if not members or not all(isinstance(member, str) and member in item.choices for member in members):
        raise _not_valid(item, text)
    return members


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdigit()


def _not_valid(item: Hyperparameter, text: str) -> ClientError:
    schemas: list[dict[str, object]] = [{"type": "string", "enum": list(item.choices)}] if item.choices else []
    if item.type in ("int", "float"):
        pattern = _INTEGER_PATTERN if item.type == "int" else _NUMBER_PATTERN
        numeric: dict[str, object] = {"type": "integer" if item.type == "int" else "number"}
        if item.min is not None:
            numeric["exclusiveMinimum" if item.min_exclusive else "minimum"] = item.min
        if item.max is not None:
            numeric["exclusiveMaximum" if item.max_exclusive else "maximum"] = item.max
        schemas += [{"pattern": pattern, "type": "string"}, numeric]
    return _refusal(item, text, f"{text!r} is not valid under any of the given schemas", "oneOf", {"oneOf": schemas})


def _refusal(item: Hyperparameter, text: str, message: str, keyword: str, schema: Mapping[str, object]) -> ClientError:
    """As the JSON schema library that AWS's containers use puts it."""
    place = f"['{item.name}']"
    return ClientError(
        f"{message}\n\nFailed validating '{keyword}' in schema['properties']{place}:\n    {dict(schema)}\n\nOn instance{place}:\n    {text!r}"
    )
