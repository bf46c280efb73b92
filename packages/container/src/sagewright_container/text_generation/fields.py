"""The members of a request, typed: a wrong one is a Refusal of the kind "malformed"."""

from __future__ import annotations

import json
from typing import Any

from sagewright_container.text_generation.parameters import Refusal


class Fields:
    """A JSON object. A member that is null counts as absent."""

    def __init__(self, document: Any, what: str = "the request") -> None:
        if not isinstance(document, dict):
            raise Refusal("malformed", f"{what} must be a JSON object")
        self._members = document

    @classmethod
    def parse(cls, body: bytes) -> Fields:
        """Raises Refusal."""
        try:
            return cls(json.loads(body))
        except (ValueError, RecursionError) as error:
            raise Refusal("syntax", f"the request is not JSON: {error}") from error

    def __contains__(self, name: str) -> bool:
        return self._members.get(name) is not None

    def raw(self, name: str) -> Any:
        """Whatever it is, or None."""
        return self._members.get(name)

    def object(self, name: str) -> Fields:
        """A nested object, empty when absent."""
        return Fields(self._members.get(name) or {}, f"`{name}`")

    def text(self, name: str, default: str = "") -> str:
        """A string."""
        return str(self._typed(name, str, default, "a string"))

    def truth(self, name: str, default: bool = False) -> bool:
        """A boolean."""
        return bool(self._typed(name, bool, default, "a boolean"))

    def number(self, name: str, default: float) -> float:
        """A number that is finite."""
        value = self._members.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e30:
            raise Refusal("malformed", f"`{name}` must be a number")
        return float(value)

    def whole(self, name: str, default: int, least: int = 0, most: int = 2**32 - 1) -> int:
        """A whole number of the range that the server's own type has."""
        value = self._members.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Refusal("malformed", f"`{name}` must be a whole number from {least} to {most}")
        return value

    def texts(self, name: str, alone: bool = False) -> tuple[str, ...]:
        """An array of strings; ``alone``: one string will do."""
        value = self._members.get(name)
        if value is None:
            return ()
        if alone and isinstance(value, str):
            return (value,)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise Refusal("malformed", f"`{name}` must be an array of strings")
        return tuple(value)

    def _typed(self, name: str, wanted: type, default: Any, words: str) -> Any:
        value = self._members.get(name)
        if value is None:
            return default
        if not isinstance(value, wanted):
            raise Refusal("malformed", f"`{name}` must be {words}")
        return value
