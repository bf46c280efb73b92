"""Request ids."""

from __future__ import annotations

from random import getrandbits


def request_id() -> str:
    """A random UUID (version 4) as text. It is a name, not a secret: ``uuid.uuid4`` would ask the kernel for each one (four times the cost)."""
    digits = f"{getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
