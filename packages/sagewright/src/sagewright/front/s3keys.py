"""Keys that SeaweedFS cannot hold as they are.

It keeps objects in a file system, so ``/job/x`` and ``a//b`` would become ``job/x`` and ``a/b``, and ``a/../b`` would leave its
folder. S3 keys are plain text: such segments are stored under private-use characters and shown as they were.
(The one visible difference: among its neighbours such a key is listed last.)
"""

from __future__ import annotations

import re

_SEGMENTS = {b"": "\ue000".encode(), b".": "\ue001".encode(), b"..": "\ue002".encode()}
_SUSPECT = re.compile(rb"(?:^|/)\.{0,2}(?:/|$)")

_SHOWN = re.compile(
    rb"(?P<open><(?:Key|Prefix|Marker|NextMarker|StartAfter|KeyMarker|NextKeyMarker|Resource)>)(?P<text>[^<]*)(?=</)"
)
_MARKED = re.compile(rb"(?:\xee\x80|%EE%80)(?P<last>[\x80-\x82]|%8[0-2])")
_MEANING = {b"\x80": b"", b"\x81": b".", b"\x82": b"..", b"%80": b"", b"%81": b".", b"%82": b".."}
_DELETED = re.compile(rb"(?<=<Key>)[^<]*(?=</Key>)")


def stored_key(key: bytes) -> bytes:
    """The key under which the embedded server keeps ``key``. A slash at the end stays: it marks a folder there too."""
    if not _SUSPECT.search(key):
        return key
    *segments, last = key.split(b"/")
    return b"/".join([*(_SEGMENTS.get(segment, segment) for segment in segments), _SEGMENTS.get(last, last) if last else last])


def stored_prefix(prefix: str) -> str:
    """The same for a prefix or a marker, whose last segment may be cut short and is left alone."""
    *segments, last = prefix.encode("utf-8", "surrogateescape").split(b"/")
    stored = b"/".join([*(_SEGMENTS.get(segment, segment) for segment in segments), last])
    return stored.decode("utf-8", "surrogateescape")


def shown_keys(document: bytes) -> bytes:
    """An XML answer with every key as the client wrote it."""
    if b"\xee\x80" not in document and b"%EE%80" not in document:
        return document
    return _SHOWN.sub(lambda found: found["open"] + _MARKED.sub(lambda mark: _MEANING[mark["last"]], found["text"]), document)


def stored_deletions(document: bytes) -> bytes:
    """The XML of DeleteObjects with the keys as they are stored."""
    return _DELETED.sub(lambda found: stored_key(found[0]), document)
