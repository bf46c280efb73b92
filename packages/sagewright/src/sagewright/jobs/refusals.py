"""The words for what this version cannot do."""

from __future__ import annotations


def unsupported(what: str) -> str:
    """A whole sentence about ``what`` was asked for."""
    return f"{what} is not supported by this version of Sagewright."
