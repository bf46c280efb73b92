"""Serves the model of an image of text-embeddings-inference."""

from __future__ import annotations

import sys
import traceback

from sagewright_container.layout import Layout
from sagewright_container.serving.listen import serve
from sagewright_container.text_embeddings.configuration import Configuration, ConfigurationError
from sagewright_container.text_embeddings.encoder import load
from sagewright_container.text_embeddings.endpoint import EmbeddingEndpoint


def main() -> int:
    """Serves until SIGTERM; 1 when the model cannot be loaded (the reason is in the log)."""
    try:
        configuration = Configuration.of(Layout.current().model)
        encoder = load(configuration)
    except ConfigurationError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    except Exception:  # noqa: BLE001 - a model's own code may raise anything
        traceback.print_exc()
        print("Unable to load the model", file=sys.stderr, flush=True)
        return 1
    serve(EmbeddingEndpoint(encoder, configuration))
    return 0
