"""Serves the model of an image of text-embeddings-inference."""

from __future__ import annotations

from sagewright_container.layout import Layout
from sagewright_container.serving.listen import serve
from sagewright_container.text_embeddings.configuration import Configuration
from sagewright_container.text_embeddings.encoder import load
from sagewright_container.text_embeddings.endpoint import EmbeddingEndpoint
from sagewright_container.text_generation.loading import loaded


def main() -> int:
    """Serves until SIGTERM; 1 when the model cannot be loaded (the reason is in the log)."""
    endpoint = loaded(_endpoint)
    if endpoint is None:
        return 1
    serve(endpoint)
    return 0


def _endpoint() -> EmbeddingEndpoint:
    configuration = Configuration.of(Layout.current().model)
    return EmbeddingEndpoint(load(configuration), configuration)
