"""Where the S3 server behind the front is, and the credentials it knows us by."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sagewright.base import files

RECORD = "objects.json"
"""Name of the record in the run folder."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """An S3 server: ``host`` and ``port``, behind the dialler at ``dial`` when it lives in a moat (else "").

    ``tls`` tells that it is an https address, ``embedded`` that it is the SeaweedFS we started, whose answers the front mends;
    another S3 is passed through; ``filer`` and ``volume`` are its inner ports. The credentials are internal: clients never see them.
    """

    host: str
    port: int
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    dial: str = ""
    embedded: bool = True
    tls: bool = False
    filer: int = 0
    volume: int = 0

    @classmethod
    def at(cls, url: str, access_key: str, secret_key: str, region: str) -> Upstream:
        """An S3 of the user's own. Raises ValueError when ``url`` is not an http address."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an http address: {url!r}")
        tls = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if tls else 80), access_key, secret_key, region, embedded=False, tls=tls)

    @property
    def authority(self) -> str:
        """The Host header: without the port where it is the scheme's own."""
        return self.host if self.port == (443 if self.tls else 80) else f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"Upstream({self.host}:{self.port}, dial={self.dial!r}, embedded={self.embedded})"

    def write(self, file: Path) -> None:
        """Leaves the record for the front, readable by its owner only, by rename."""
        files.write(file, json.dumps(asdict(self)).encode(), 0o600)

    @classmethod
    def read(cls, file: Path) -> Upstream:
        """Raises FileNotFoundError when no S3 server has been started."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))
