"""The text classification endpoint of JumpStart: one text per request, probabilities of the classes (DG:text-classification-tensorflow-inputoutput)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")  # read when the libraries are imported

from transformers import AutoConfig, AutoModelForSequenceClassification

from sagewright_algorithms.common import accelerator
from sagewright_algorithms.jumpstart.endpoint import Answer, JumpStartEndpoint, UnreadableInputError
from sagewright_algorithms.manifest import load as load_manifest
from sagewright_algorithms.text_classification import artifact
from sagewright_algorithms.text_classification.vocabulary import Vocabulary


def endpoint(folder: Path) -> JumpStartEndpoint:
    """Raises OSError, ValueError, KeyError and what transformers raises when there is no model that this algorithm trained."""
    return JumpStartEndpoint(_Classifier(folder), load_manifest("text-classification").inference)


class _Classifier:
    def __init__(self, folder: Path) -> None:
        self._device = accelerator.prepare(threads=1)  # one sentence is too little for more
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, config=config, local_files_only=True, use_safetensors=True
        )
        self._model = model.to(self._device).eval()
        self._vocabulary = Vocabulary.read(folder, config.pad_token_id if config.pad_token_id is not None else 0)
        self._labels = list(range(artifact.labels(folder) or config.num_labels))

    def read(self, body: bytes, content_type: str) -> list[int]:
        """The tokens of the text. Raises UnreadableInputError."""
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnreadableInputError(f"The payload is not a UTF-8 text: {error}") from error
        if not text.strip():
            raise UnreadableInputError("The payload holds no text")
        return self._vocabulary.numbers([text])[0]

    def predict(self, inputs: list[list[int]]) -> list[Answer]:
        """See endpoint.Model."""
        with torch.inference_mode():
            outputs = self._model(**self._vocabulary.batch(inputs, self._device)).logits
        found = outputs.double().softmax(1).cpu().numpy()
        return [self._answer(row) for row in found]

    def _answer(self, row: npt.NDArray[np.float64]) -> Answer:
        return Answer({"probabilities": row}, {"labels": self._labels, "predicted_label": int(row.argmax())})
