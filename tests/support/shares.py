"""A channel's data in two parts, one for each of two instances."""

from __future__ import annotations

from support.cases import Channel


def halves(channel: Channel) -> tuple[Channel, Channel]:
    """Every other one of its files; of a single file every other line or record."""
    if len(channel.files) > 1:
        names = sorted(channel.files)
        files = [{name: channel.files[name] for name in names[start::2]} for start in (0, 1)]
    else:
        ((path, content),) = channel.files.items()
        parts = content.splitlines(keepends=True) if channel.content_type.startswith("text/csv") else framed(content)
        files = [{path: b"".join(parts[start::2])} for start in (0, 1)]
    first, second = (Channel(channel.content_type, part) for part in files)
    return first, second


def framed(content: bytes) -> list[bytes]:
    """The records of a RecordIO stream, with their frames."""
    found, at = [], 0
    while at < len(content):
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        end = at + 8 + length + -length % 4
        found.append(content[at:end])
        at = end
    return found
