"""Arrays as payloads: JSON and CSV are text here, as scripts expect."""

from __future__ import annotations

from typing import Any

from sagewright_container.serving.content import TEXT_TYPES, media_type
from sagewright_container.serving.content import encode as _encode


def encode(array_like: Any, content_type: str) -> str | bytes:
    """Raises UnsupportedFormatError for a type other than JSON, CSV and .npy."""
    encoded = _encode(array_like, content_type)
    return encoded.decode() if media_type(content_type) in TEXT_TYPES else encoded
