"""The exit message: what the containers of a processing job wrote to /opt/ml/output/message (DG byoc-metadata)."""

from __future__ import annotations

import codecs
import os
from collections.abc import Sequence
from dataclasses import dataclass

from sagewright.base import folders
from sagewright.features.processing.folder import MESSAGE, JobFolder

LIMIT = 1024
"""DescribeProcessingJob: ExitMessage has 1 KB at most; of several containers it is one after the other, cut there."""
_READ = 64 * 1024


@dataclass(frozen=True, slots=True)
class ExitMessage:
    """``text`` is empty when nobody wrote one. Not ``readable``: one of them is not UTF-8, which fails the job."""

    text: str = ""
    readable: bool = True


SILENT = ExitMessage()


def read(found: Sequence[JobFolder]) -> ExitMessage:
    """Of all instances, algo-1 first."""
    parts = [_start(folder) for folder in found]
    if not all(map(_is_utf8, parts)):
        return ExitMessage(readable=False)
    return ExitMessage(b"".join(parts)[:LIMIT].decode("utf-8", "ignore"))


def _start(folder: JobFolder) -> bytes:
    try:
        with folders.opened(folder.ml, MESSAGE) as handle:
            return os.read(handle, _READ)
    except OSError:
        return b""


def _is_utf8(content: bytes) -> bool:
    """A character that the end of what was read cuts in two is no fault."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content, final=len(content) < _READ)
    except UnicodeDecodeError:
        return False
    return True
