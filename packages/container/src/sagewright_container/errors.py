"""What a container tells its user when it cannot do what was asked."""

from __future__ import annotations


class CodeError(Exception):
    """The user's code cannot be prepared; the text is for the user."""


class ClientError(CodeError):
    """The request asks for what this container cannot do; the text is for the user, and the reason of the failure begins so."""
