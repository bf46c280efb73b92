"""What an optimization job makes of a language model, against the model: bytes on disk, and tokens of one text as an endpoint decodes it."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from benchmarks.figures import Figure, median_ratio
from sagewright_container.optimization import optimize, quantizer
from sagewright_container.text_generation.batch import Batch

_ROUNDS, _TOKENS, _PROMPT = 5, 24, list(range(16))


def figures() -> list[Figure]:
    """A Llama of 110 million parameters with random weights; how fast it decodes does not depend on them."""
    return [figure for dtype in (torch.bfloat16, torch.float32) for figure in _of(dtype)]


def _of(dtype: torch.dtype) -> list[Figure]:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _model(dtype).save_pretrained(root / "input/model")
        original, kind = _network(root / "input/model"), str(dtype).removeprefix("torch.")
        for bits in (8, 4):
            goal = _quantized(root, bits)
            network = _network(goal)
            rounds = [(_rate(network), _rate(original)) for _ in range(_ROUNDS)]
            found.append(median_ratio(f"{bits} bits, one text, against {kind}", rounds, 1.0, "tokens/s"))
            sizes = [(_size(root / "input/model") / 1e6, _size(goal) / 1e6)]
            found.append(median_ratio(f"{kind} on disk, against {bits} bits", sizes, 1.2, "MB"))
    return found


def _model(dtype: torch.dtype) -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = {"hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 8, "num_attention_heads": 16}
    return LlamaForCausalLM(LlamaConfig(vocab_size=4096, num_key_value_heads=16, **shape)).to(dtype)


def _quantized(root: Path, bits: int) -> Path:
    for name in ("input/config", "model"):
        (root / name).mkdir(parents=True, exist_ok=True)
    task = {"Technique": "Quantization", "Bits": bits, "Shards": 1, "TrustsCode": False}
    (root / "input/config/optimizationjob.json").write_text(json.dumps(task))
    os.environ["SAGEWRIGHT_ML_ROOT"] = str(root)
    if optimize.main():
        raise RuntimeError((root / "output/failure").read_text())
    return (root / "model").rename(root / f"model-{bits}")


def _network(folder: Path) -> Any:
    config = AutoConfig.from_pretrained(folder)
    quantizer.taken_up(config)
    network = AutoModelForCausalLM.from_pretrained(folder, config=config, dtype=config.dtype).eval()
    quantizer.prepare(network)
    return network


def _rate(network: Any) -> float:
    batch = Batch(network)
    batch.add(_PROMPT)
    began = time.perf_counter()
    for token in range(_TOKENS):
        batch.step([token])
    return _TOKENS / (time.perf_counter() - began)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
