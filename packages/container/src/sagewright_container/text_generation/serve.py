"""Serves the model of an image of TGI, LMI, vLLM or SGLang."""

from __future__ import annotations

import os

from sagewright_container.layout import Layout
from sagewright_container.serving.listen import serve
from sagewright_container.text_generation.configuration import Configuration
from sagewright_container.text_generation.endpoint import Dialect, TextEndpoint
from sagewright_container.text_generation.lmi import Lmi
from sagewright_container.text_generation.loading import loaded
from sagewright_container.text_generation.model import TextModel, load
from sagewright_container.text_generation.sglang import Sglang
from sagewright_container.text_generation.shelf import Shelf
from sagewright_container.text_generation.tgi import Tgi
from sagewright_container.text_generation.vllm import Vllm

_SPARE = 4
"""Threads beyond the requests that are held: whoever comes then must be answered, too."""
_MOST_THREADS = 256


def main() -> int:
    """Serves until SIGTERM; 1 when the model cannot be loaded (the reason is in the log)."""
    model = loaded(lambda: load(Configuration.of(os.environ["SAGEWRIGHT_FRAMEWORK"], Layout.current().model)))
    if model is None:
        return 1
    configuration = model.configuration
    shelf = Shelf(model, _dialect, configuration.most_rank) if configuration.adapters else None
    endpoint = TextEndpoint(_dialect(model), configuration.clients, shelf)
    serve(endpoint, threads=min(configuration.clients + _SPARE, _MOST_THREADS))
    return 0


def _dialect(model: TextModel) -> Dialect:
    dialects: dict[str, type[Tgi] | type[Lmi] | type[Vllm] | type[Sglang]] = {
        "tgi": Tgi,
        "lmi": Lmi,
        "vllm": Vllm,
        "sglang": Sglang,
    }
    return dialects[model.configuration.server](model)
