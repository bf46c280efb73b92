"""The language model that is optimized: what its configuration says, which of its layers can be quantized, and whether it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING
from transformers.pytorch_utils import Conv1D

from sagewright_container.optimization import quantizer
from sagewright_container.optimization.checkpoint import InputError
from sagewright_container.optimization.packing import BLOCK

_PROBE = 8


@dataclass(frozen=True)
class Layer:
    """``turned``: its weights lie [inputs, outputs], as GPT-2's do."""

    name: str
    inputs: int
    turned: bool


@dataclass(frozen=True)
class Layers:
    """``taken`` are quantized, the linear layers named in ``left`` are not."""

    taken: dict[str, Layer]
    left: tuple[str, ...]


def configuration(folder: Path, trusts_code: bool) -> Any:
    """transformers' configuration of a causal language model. Raises InputError."""
    if not (folder / "config.json").is_file():
        raise InputError("the model has no config.json: it must be a model as transformers' save_pretrained leaves it")
    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=trusts_code)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"the model's configuration cannot be read: {error}") from error
    remote = trusts_code and "AutoModelForCausalLM" in getattr(config, "auto_map", {})
    if config.is_encoder_decoder or not (remote or type(config) in MODEL_FOR_CAUSAL_LM_MAPPING):
        raise InputError(f"{config.model_type} is no causal language model; only those are optimized")
    if getattr(config, "quantization_config", None) is not None:
        raise InputError("the model is quantized already")
    return config


def layers(config: Any, stored: set[str], trusts_code: bool) -> Layers:
    """Of a model whose checkpoint has tensors of the names ``stored``. The output layer keeps its precision, as everywhere.

    A layer whose weights the checkpoint has under another name, or within a larger tensor (experts), is left as it is.
    """
    maker: Any = AutoModelForCausalLM
    with torch.device("meta"):
        network = maker.from_config(config, trust_remote_code=trusts_code)
    last, prefix = network.get_output_embeddings(), f"{network.base_model_prefix}."
    taken: dict[str, Layer] = {}
    left: list[str] = []
    for name, module in network.named_modules():
        if not isinstance(module, quantizer.LAYERS):
            continue
        key = next((key for key in (name, name.removeprefix(prefix)) if f"{key}.weight" in stored), "")
        inputs, _ = quantizer.shape_of(module)
        if key and module is not last and inputs % BLOCK == 0:
            taken[f"{key}.weight"] = Layer(key, inputs, isinstance(module, Conv1D))
        else:
            left.append(name)
    if not taken:
        raise InputError(
            f"{config.model_type} has no linear layers that can be quantized (rows of a multiple of {BLOCK} weights)"
        )
    return Layers(taken, tuple(left))


def check(folder: Path, trusts_code: bool) -> None:
    """The optimized model is loaded as an endpoint does it, and answers with numbers. Raises InputError."""
    config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=trusts_code)
    quantizer.taken_up(config)
    loader: Any = AutoModelForCausalLM
    network = loader.from_pretrained(str(folder), config=config, local_files_only=True, trust_remote_code=trusts_code).eval()
    quantizer.prepare(network)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, int(config.get_text_config().vocab_size), (1, _PROBE), generator=generator)
    cache = DynamicCache()
    with torch.inference_mode():
        answer = network(input_ids=ids, past_key_values=cache, use_cache=True).logits
    if network._is_stateful or cache.get_seq_length() != _PROBE:
        raise InputError(f"{config.model_type} models do not decode with keys and values, and such ones are not served")
    if not bool(torch.isfinite(answer).all()):
        raise InputError("the optimized model answers with values that are no numbers")
