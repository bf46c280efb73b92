"""The error a caller sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Fault(Exception):
    """An error for the caller, in AWS's wording; never carries secrets or internals.

    ``code`` is the error code clients match on, ``status`` the HTTP status, ``fields`` further members of the modelled
    error shape (for example ``OriginalStatusCode`` of ModelError).
    """

    def __init__(self, code: str, message: str, status: int = 400, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = dict(fields or {})


def validation(message: str) -> Fault:
    """The ValidationException most SageMaker operations answer with."""
    return Fault("ValidationException", message)


def not_available(operation: str) -> Fault:
    """The one answer for an operation that this version does not have; never a success."""
    return Fault(
        "UnsupportedOperationException",
        f"Sagewright does not implement {operation} yet; docs/coverage.md lists what it does.",
        400,
    )
