"""What the Hugging Face image does without a script: a pipeline of transformers for the task that HF_TASK or the model names.

As AWS's toolkit has it (sagemaker-huggingface-inference-toolkit): content types, the forms of requests, and that every failure is a
400 in the model server's words.
"""

from __future__ import annotations

import base64
import csv
import importlib
import io
import json
import os
from pathlib import Path
from typing import Any

from sagewright_container.errors import CodeError
from sagewright_container.serving.content import CSV, JSON, NPY, UnsupportedFormatError, encode, media_type
from sagewright_container.serving.content import decode as decode_array
from sagewright_container.serving.frameworks import Defaults
from sagewright_container.serving.message import Response

_IMAGES = (
    "image/jpeg",
    "image/png",
    "image/tiff",
    "image/bmp",
    "image/gif",
    "image/webp",
    "image/x-image",
    "application/x-image",
)
_SOUNDS = ("audio/x-flac", "audio/mpeg", "audio/wave", "audio/ogg", "audio/x-audio")
_HEADERS = ("question", "context", "inputs")
_TASKS = {
    "ForQuestionAnswering": "question-answering",
    "ForTokenClassification": "token-classification",
    "ForSequenceClassification": "text-classification",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "ForImageClassification": "image-classification",
}
"""By the end of an architecture's name."""


def _model(model_dir: str) -> Any:
    """A pipeline. Raises CodeError with a sentence."""
    transformers = importlib.import_module("transformers")
    folder = Path(model_dir)
    here = (folder / "config.json").is_file()
    named = str(folder) if here else os.environ.get("HF_MODEL_ID", "")
    if not named:
        raise CodeError(f"There is no model: {folder} has no config.json, and HF_MODEL_ID names none.")
    task = os.environ.get("HF_TASK") or (_task(folder) if here else None)
    known = importlib.import_module("transformers.pipelines").SUPPORTED_TASKS
    if task is not None and task not in known and task not in ("ner", "sentiment-analysis"):
        raise CodeError(
            f"transformers {transformers.__version__} has no pipeline for {task}; it has {', '.join(sorted(known))}. "
            "An older version may have it: `sagewright environments build` makes the one that the image's tag names."
        )
    trusted = os.environ.get("HF_TRUST_REMOTE_CODE", "").lower() in ("1", "true", "t", "yes", "y", "on")
    try:
        return transformers.pipeline(task=task, model=named, trust_remote_code=trusted)
    except OSError as error:
        if here:
            raise
        raise CodeError(
            f"HF_MODEL_ID names {named}, which cannot be fetched from here. Put the model's files into model.tar.gz."
        ) from error


def _task(folder: Path) -> str:
    """By the architecture that the model's configuration names. Raises CodeError."""
    architectures = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or [""]
    for end, task in _TASKS.items():
        if str(architectures[0]).endswith(end):
            return task
    raise CodeError(f"Task couldn't be inferenced from {architectures[0]}. Use env `HF_TASK` to define your task.")


def _input(data: str | bytes, content_type: str) -> Any:
    """The document of a request: ``inputs`` and perhaps ``parameters``."""
    kind = media_type(content_type)
    if kind == JSON:
        return json.loads(data)
    if kind == CSV:
        return _rows(data if isinstance(data, str) else data.decode())
    if kind == NPY:
        return {"inputs": decode_array(data, content_type)}
    raw = data.encode("latin-1") if isinstance(data, str) else data
    if kind in _IMAGES:
        return {"inputs": importlib.import_module("PIL.Image").open(io.BytesIO(raw)).convert("RGB")}
    if kind in _SOUNDS:
        return {"inputs": raw}
    raise UnsupportedFormatError(content_type)


def _rows(text: str) -> dict[str, Any]:
    """A CSV file with a header: the column ``inputs``, or what a task names its columns."""
    first = text.splitlines()[0].lower() if text.strip() else ""
    if not any(header in first for header in _HEADERS):
        raise ValueError(
            "You need to provide the correct CSV with Header columns to use it with the inference toolkit default handler."
        )
    rows = list(csv.DictReader(io.StringIO(text)))
    return {"inputs": [row["inputs"] for row in rows] if rows and "inputs" in rows[0] else rows}


def _predict(data: Any, model: Any) -> Any:
    """``inputs`` to the pipeline, ``parameters`` as its arguments."""
    if not isinstance(data, dict):
        raise ValueError('the request must be a JSON object, {"inputs": …}')
    inputs = data.pop("inputs", data)
    parameters = data.pop("parameters", None) or {}
    return model(inputs, **parameters)


def _output(prediction: Any, accept: str) -> bytes:
    kind = media_type(accept)
    if kind == JSON:
        return json.dumps(prediction, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()
    if kind == CSV and isinstance(prediction, (list, dict)):
        rows = prediction if isinstance(prediction, list) else [prediction]
        stream = io.StringIO()
        writer = csv.DictWriter(stream, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)
        return stream.getvalue().encode()
    return encode(prediction, accept)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "save"):  # a picture
        buffer = io.BytesIO()
        value.save(buffer, format="PNG")
        return base64.b64encode(buffer.getvalue()).decode()
    return str(value)


def _failed(error: Exception) -> Response:
    """The model server's words for whatever a handler raises."""
    document = {"code": 400, "type": "InternalServerException", "message": str(error)}
    return Response(400, json.dumps(document, indent=2).encode(), JSON)


DEFAULTS = Defaults(_model, _input, _predict, _output, _failed)
