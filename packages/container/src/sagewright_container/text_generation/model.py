"""A tokenizer and a causal language model, loaded by transformers."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, DynamicCache

from sagewright_container.optimization import quantizer
from sagewright_container.text_generation import hub
from sagewright_container.text_generation.configuration import Configuration, ConfigurationError
from sagewright_container.text_generation.engine import Engine
from sagewright_container.text_generation.generation import Generation
from sagewright_container.text_generation.lora import Adapters, Lora
from sagewright_container.text_generation.parameters import Parameters, Refusal

_FEWEST = 4096  # tokens, of a model that names no limit


class TextModel:
    """Ready to generate. ``longest_input`` and ``longest`` are in tokens; ``alias`` is what an adapted one is called."""

    def __init__(self, tokenizer: Any, network: Any, configuration: Configuration) -> None:
        self.tokenizer = tokenizer
        self.network = network
        self.alias = ""
        self.configuration = configuration
        self.longest = _longest(configuration, network.config)
        self.longest_input = min(configuration.longest_input or self.longest - 1, self.longest - 1)
        self._ends = _ends(tokenizer, network)
        self._vocabulary = int(network.config.get_text_config().vocab_size)
        self._engine = Engine(network, configuration.rows)
        self._adapter: Lora | None = None

    @property
    def adapters(self) -> Adapters:
        """What the network can be adapted by."""
        return self._engine.adapters

    def adapted(self, alias: str, adapter: Lora) -> TextModel:
        """The same network and engine, answering with an adapter."""
        made = copy.copy(self)
        made.alias, made._adapter = alias, adapter
        return made

    def tokens(self, text: str, special: bool = True, truncate: int = 0) -> list[int]:
        """The ids of a prompt, of its last ``truncate`` tokens where that is given."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=special)["input_ids"]
        return ids[-truncate:] if truncate else ids

    def chat(self, messages: list[dict[str, Any]], tools: Any = None) -> str:
        """The prompt of a conversation. Raises Refusal when the model has no template, or its template refuses."""
        if not self.tokenizer.chat_template:
            raise Refusal("template", "template not found")
        try:
            text: str = self.tokenizer.apply_chat_template(messages, tools=tools, add_generation_prompt=True, tokenize=False)
        except Exception as error:
            raise Refusal("template", str(error)) from error
        return text

    def generate(self, prompt: list[int], parameters: Parameters) -> Generation:
        """Begins; iterate what comes back."""
        generation = Generation(self.tokenizer, self._ends, prompt, parameters, self._vocabulary, self._adapter)
        self._engine.submit(generation)
        return generation


def load(configuration: Configuration) -> TextModel:
    """Raises ConfigurationError with a sentence, and what a model's own code raises."""
    given: dict[str, Any] = {"trust_remote_code": configuration.trusts_code}
    if configuration.revision:
        given["revision"] = configuration.revision
    try:
        tokenizer, network = _from(configuration, given)
    except (OSError, ValueError, ImportError, KeyError) as error:
        if Path(configuration.model).is_dir():
            raise ConfigurationError(f"The model in {configuration.model} cannot be loaded: {error}") from error
        raise ConfigurationError(
            f"HF_MODEL_ID names {configuration.model}, which cannot be fetched from here. Put the model's files into S3, give them as "
            "ModelDataUrl or ModelDataSource, and set HF_MODEL_ID=/opt/ml/model."
        ) from error
    _say(configuration, network)
    _try(network)
    return TextModel(tokenizer, network, configuration)


def random_seed() -> int:
    """For a request that names none."""
    return random.getrandbits(63)


def _from(configuration: Configuration, given: dict[str, Any]) -> tuple[Any, Any]:
    """What lies in a cache of the hub needs no network."""
    here = Path(configuration.model).is_dir()
    try:
        return _both(configuration, {**given, "local_files_only": True})
    except (OSError, ValueError):
        if here or not hub.is_reached():
            raise
        return _both(configuration, given)


def _both(configuration: Configuration, given: dict[str, Any]) -> tuple[Any, Any]:
    config = AutoConfig.from_pretrained(configuration.model, **given)
    if config.is_encoder_decoder:
        raise ConfigurationError(f"{config.model_type} is an encoder-decoder model; only causal language models are served.")
    dtype = _dtype(configuration, config)
    quantizer.taken_up(config)
    tokenizer = AutoTokenizer.from_pretrained(configuration.model, **given)
    loader: Any = AutoModelForCausalLM  # its from_pretrained is made when it is imported, and typed as a method
    network = loader.from_pretrained(configuration.model, config=config, dtype=dtype, **given)
    network = network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    quantizer.prepare(network)
    return tokenizer, network


def _dtype(configuration: Configuration, config: Any) -> torch.dtype:
    """As asked for, else as stored; half precision is no format that processors compute in."""
    asked = {"fp16": "float16", "half": "float16", "bf16": "bfloat16", "fp32": "float32"}.get(
        configuration.dtype, configuration.dtype
    )
    named = getattr(torch, asked, None) if asked not in ("", "auto") else config.dtype
    if asked not in ("", "auto") and not isinstance(named, torch.dtype):
        raise ConfigurationError(f"{configuration.dtype} is no data type that a model can be loaded in.")
    if not isinstance(named, torch.dtype):
        return torch.float32
    return torch.float32 if named == torch.float16 and not torch.cuda.is_available() else named


def _say(configuration: Configuration, network: Any) -> None:
    """What is not as on AWS belongs into the log."""
    if configuration.accelerators and not torch.cuda.is_available():
        print("No GPU is visible: the model runs on this machine's processors.", flush=True)
    if configuration.quantization and not getattr(network, "is_quantized", False):
        print(f"The model is not quantized ({configuration.quantization}): it runs in the precision it has.", flush=True)


def _try(network: Any) -> None:
    """One token: what cannot be decoded with a cache of keys and values is told now. Raises ConfigurationError."""
    cache = DynamicCache()
    with torch.inference_mode():
        network(input_ids=torch.zeros(1, 1, dtype=torch.long, device=network.device), past_key_values=cache, use_cache=True)
    if network._is_stateful or cache.get_seq_length() != 1:
        raise ConfigurationError(
            f"{network.config.model_type} models keep a state of another kind than keys and values; they are not served."
        )


def _longest(configuration: Configuration, config: Any) -> int:
    text = config.get_text_config()
    limit = int(getattr(text, "max_position_embeddings", 0) or getattr(text, "n_positions", 0) or 0)
    if configuration.longest > limit > 0:
        print(f"The model takes {limit} tokens, fewer than the {configuration.longest} that were asked for.", flush=True)
        return limit
    return configuration.longest or limit or _FEWEST


def _ends(tokenizer: Any, network: Any) -> frozenset[int]:
    named = network.generation_config.eos_token_id
    if named is None:
        named = tokenizer.eos_token_id
    return frozenset() if named is None else frozenset([named] if isinstance(named, int) else named)
