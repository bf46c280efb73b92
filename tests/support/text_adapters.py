"""LoRA adapters for the models of text_models.py, in PEFT's files, and what the base model says once one is merged into its weights."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from transformers import AutoModelForCausalLM, AutoTokenizer

from support.text_models import alphabet

TARGETS = r".*\.(q_proj|v_proj|o_proj|down_proj|c_attn|c_proj)"


def adapter(
    seed: int, kind: str = "llama", rank: int = 4, alpha: float = 8.0, targets: str = TARGETS, **config: Any
) -> dict[str, bytes]:
    """Its files by name: large enough that the model says something else."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for path, module in _network(kind).named_modules():
        if re.fullmatch(targets, path):
            takes, gives = _sizes(module)
            tensors[f"base_model.model.{path}.lora_A.weight"] = torch.randn(rank, takes, generator=generator) * 0.3
            tensors[f"base_model.model.{path}.lora_B.weight"] = torch.randn(gives, rank, generator=generator) * 0.3
    about = {"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "target_modules": targets, "bias": "none", **config}
    return {"adapter_config.json": json.dumps(about).encode(), "adapter_model.safetensors": save(tensors)}


def written(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def merged(files: dict[str, bytes], prompt: str, tokens: int, kind: str = "llama") -> str:
    """What follows the prompt, greedily, where the adapter is added to the weights themselves."""
    network, tokenizer = _network(kind), AutoTokenizer.from_pretrained(alphabet(kind))
    config, tensors = json.loads(files["adapter_config.json"]), load(files["adapter_model.safetensors"])
    rank = config["r"]
    scale = config["lora_alpha"] / (math.sqrt(rank) if config.get("use_rslora") else rank)
    for key in tensors:
        if ".lora_A." in key:
            weight = network.get_submodule(key.removeprefix("base_model.model.").split(".lora_A.")[0]).weight
            change = tensors[key.replace("lora_A", "lora_B")] @ tensors[key] * scale
            weight.data += change.T if kind == "gpt2" else change
    ids = tokenizer(prompt, return_tensors="pt")
    made = network.generate(**ids, max_new_tokens=tokens, do_sample=False)
    return str(tokenizer.decode(made[0, ids["input_ids"].shape[1] :], skip_special_tokens=True))


def _network(kind: str) -> Any:
    return AutoModelForCausalLM.from_pretrained(alphabet(kind)).eval()


def _sizes(module: Any) -> tuple[int, int]:
    """Linear, and GPT-2's Conv1D, whose weight lies the other way round."""
    gives, takes = module.weight.shape if hasattr(module, "in_features") else reversed(module.weight.shape)
    return int(takes), int(gives)
