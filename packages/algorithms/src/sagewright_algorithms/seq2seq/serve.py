"""The Sequence-to-Sequence endpoint: text in JSON and JSON Lines, token ids in RecordIO (DG:seq-2-seq)."""

from __future__ import annotations

from pathlib import Path

from sagewright_algorithms.common import accelerator, endpoint
from sagewright_algorithms.common.documents import DocumentEndpoint
from sagewright_algorithms.manifest import load as load_manifest
from sagewright_algorithms.seq2seq import artifact
from sagewright_algorithms.seq2seq.answering import Answering


def main() -> int:
    """Serves until SIGTERM; the exit code."""
    return endpoint.run(open_endpoint)


def open_endpoint(folder: Path) -> DocumentEndpoint:
    """Raises OSError, ValueError, KeyError."""
    device = accelerator.prepare(threads=1)  # steps are small: a second thread costs more than it saves
    model = artifact.load(folder, device)
    return DocumentEndpoint(Answering(model), load_manifest("seq2seq").inference, same_type=True)
