"""``optimize``: a language model's folder becomes one with quantized weights, or with its checkpoint in shards.

Reads /opt/ml/input/config/optimizationjob.json and /opt/ml/input/model, writes /opt/ml/model, which the images of LMI and TGI
serve. The result is loaded and asked for a token before the job completes. Runs in a container without a network.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging

from sagewright_container.layout import Layout
from sagewright_container.optimization import model, packing
from sagewright_container.optimization.checkpoint import InputError, Sink, Source, copy_rest

_SHARD = 1024**3  # bytes


def main() -> int:
    """0, or 1 with a failure file."""
    layout = Layout.current()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        _optimize(layout)
    except InputError as error:
        return _fail(layout, f"ClientError: InputConfiguration: {error}.")
    except Exception as error:  # noqa: BLE001 - a model's own code may raise anything
        traceback.print_exc()
        return _fail(layout, f"ClientError: The model cannot be optimized: {type(error).__name__}: {error}")
    return 0


def _optimize(layout: Layout) -> None:
    task: dict[str, Any] = json.loads((layout.config / "optimizationjob.json").read_text(encoding="utf-8"))
    folder, goal = _root(layout.input / "model"), layout.model
    config = model.configuration(folder, task["TrustsCode"])
    source = Source(folder)
    copy_rest(folder, goal)
    if task["Technique"] == "Quantization":
        _quantize(source, goal, config, task)
    else:
        _shard(source, goal, task["Shards"])
    model.check(goal, task["TrustsCode"])
    print(f"The optimized model has been loaded and answers; it has {_size(goal)} bytes of {source.size}.", flush=True)


def _quantize(source: Source, goal: Path, config: Any, task: dict[str, Any]) -> None:
    stored = {name for name, _ in source}
    found = model.layers(config, stored, task["TrustsCode"])
    scheme = packing.scheme(task["Bits"], {layer.inputs for layer in found.taken.values()})
    sink, wrong, all_ = Sink(goal, _SHARD), 0.0, 0.0
    for name, tensor in source:
        layer = found.taken.get(name)
        if layer is None:
            sink.add(name, tensor)
            continue
        weight = tensor.t().contiguous() if layer.turned else tensor
        packed = packing.pack(weight, scheme)
        sink.add(f"{layer.name}.weight_packed", packed.weights)
        sink.add(f"{layer.name}.weight_scale", packed.scales)
        sink.add(f"{layer.name}.weight_shape", torch.tensor(weight.shape))
        whole = weight.double()
        wrong += float((packing.unpack(packed, scheme, torch.float64) - whole).square().sum())
        all_ += float(whole.square().sum())
    sink.close()
    _describe(goal, packing.description(scheme, list(found.left)))
    error = (wrong / all_) ** 0.5 if all_ else 0.0
    print(
        f"Quantized {len(found.taken)} of {len(found.taken) + len(found.left)} linear layers to {scheme.bits} bits; "
        f"the weights are off by {error:.2%} (root mean square).",
        flush=True,
    )


def _shard(source: Source, goal: Path, shards: int) -> None:
    """As many files of about the same size as were asked for, none of more than a gibibyte."""
    sink = Sink(goal, min(_SHARD, -(-source.size // shards)))
    for name, tensor in source:
        sink.add(name, tensor)
    print(f"Wrote the checkpoint as {sink.close()} files.", flush=True)


def _root(folder: Path) -> Path:
    """An archive may hold one folder with the model in it."""
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink() else folder


def _describe(goal: Path, quantization: dict[str, Any]) -> None:
    file = goal / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**config, "quantization_config": quantization}, indent=2), encoding="utf-8")


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _fail(layout: Layout, reason: str) -> int:
    layout.failure.parent.mkdir(parents=True, exist_ok=True)
    layout.failure.write_text(reason, encoding="utf-8")
    print(reason, file=sys.stderr, flush=True)
    return 1
