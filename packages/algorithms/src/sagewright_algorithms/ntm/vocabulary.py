"""The auxiliary channel: ``vocab.txt``, one word a line, in the order of the features (DG:ntm)."""

from __future__ import annotations

from pathlib import Path

from sagewright_algorithms.common.channels import Channel, media_type
from sagewright_algorithms.common.errors import ClientError

FILE, CONTENT_TYPE = "vocab.txt", "text/plain"


def read(folder: Path, channel: Channel, words: int) -> list[str]:
    """``words`` of them. Raises ClientError."""
    media_type(channel, CONTENT_TYPE)
    path = folder / FILE
    if not path.is_file():
        raise ClientError(f"The auxiliary channel has no file {FILE}")
    try:
        found = path.read_text(encoding="utf-8-sig").rstrip("\r\n").split("\n")
    except UnicodeDecodeError as error:
        raise ClientError(f"{FILE} is not encoded in UTF-8: {error}") from error
    if len(found) != words:
        raise ClientError(f"{FILE} has {len(found)} lines, but feature_dim is {words}: it needs one word for each feature")
    return [line.strip() for line in found]
