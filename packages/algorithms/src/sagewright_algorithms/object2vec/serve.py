"""The Object2Vec endpoint: scores of pairs and embeddings of single inputs (DG:object2vec-inference-formats)."""

from __future__ import annotations

from pathlib import Path

from sagewright_algorithms.common import accelerator, endpoint
from sagewright_algorithms.common.documents import DocumentEndpoint
from sagewright_algorithms.common.model_file import find
from sagewright_algorithms.manifest import load as load_manifest
from sagewright_algorithms.object2vec import artifact
from sagewright_algorithms.object2vec.predictor import Predictor


def main() -> int:
    """Serves until SIGTERM; the exit code."""
    return endpoint.run(open_endpoint)


def open_endpoint(folder: Path) -> DocumentEndpoint:
    """Raises OSError, ValueError, KeyError."""
    device = accelerator.prepare(threads=1)  # a second one costs more than it saves, unless the machine has nothing else to do
    network = artifact.load(find(folder).read_bytes())
    return DocumentEndpoint(Predictor(network.to(device)), load_manifest("object2vec").inference)
