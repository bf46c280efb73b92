"""Names that the platform chooses, in AWS's forms."""

from __future__ import annotations

import hashlib
import secrets
import string

_LOWER = string.ascii_lowercase + string.digits
_UPPER = string.ascii_uppercase + string.digits


def lower_id(length: int) -> str:
    """Lower-case letters and digits, as in ``d-a1b2c3d4e5f6``."""
    return "".join(secrets.choice(_LOWER) for _ in range(length))


def upper_id(length: int) -> str:
    """Capitals and digits, as in ``app-A1B2C3D4E5F6``."""
    return "".join(secrets.choice(_UPPER) for _ in range(length))


def digest_id(*parts: str) -> str:
    """32 hexadecimal digits that follow from the parts: the same artifact source gives the same artifact."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
