"""The answer of an output_fn as an object."""

from __future__ import annotations


class Response:
    """A body with its type and status, as the model server takes it."""

    def __init__(
        self, response: str | bytes = b"", accept: str | None = None, status: int = 200, mimetype: str | None = None
    ) -> None:
        self.response = response
        self.mimetype = mimetype or accept or "application/json"
        self.status_code = status

    def get_data(self) -> bytes:
        """The body."""
        return self.response.encode() if isinstance(self.response, str) else self.response
