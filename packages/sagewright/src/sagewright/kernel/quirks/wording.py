"""Short forms for the wordings that the quirk tables share."""

from __future__ import annotations

from sagewright.kernel.kind import Wording


def invalid(text: str) -> Wording:
    """The undeclared ValidationException that many SageMaker operations answer with."""
    return Wording("ValidationException", text)


def absent(text: str) -> Wording:
    """The declared ResourceNotFound."""
    return Wording("ResourceNotFound", text)


def in_use(text: str) -> Wording:
    """The declared ResourceInUse."""
    return Wording("ResourceInUse", text)


def unique(words: str) -> Wording:
    """SDK (experiments, lineage, pipelines) matches ``already exists``; the sentence is AWS's own."""
    return invalid(
        f"{words} names must be unique within an AWS account and region. {words} with name ({{name}}) already exists."
    )
