"""A tokenizer and an encoder, loaded by transformers: texts in, embeddings or scores out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Union

import torch
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

from sagewright_container.text_embeddings.configuration import Configuration, ConfigurationError

Text = Union[str, tuple[str, str]]  # noqa: UP007 - evaluated by Python 3.9
Tokens = dict[str, list[int]]
"""Ids and masks, as the tokenizer names them."""
Kind = Literal["embedding", "splade", "classifier", "reranker"]
_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last-token",
}


class Encoder:
    """Ready to encode. ``longest`` is in tokens, ``prompts`` are the model's own by name."""

    def __init__(self, tokenizer: Any, network: Any, kind: Kind, pooling: str, longest: int, most: int) -> None:
        self.kind = kind
        self.longest = longest
        self.labels: dict[int, str] = dict(network.config.id2label or {})
        self.width = int(network.config.hidden_size)
        self._tokenizer = tokenizer
        self._network = network
        self._pooling = pooling
        self._most = most

    def tokens(self, text: Text, truncates: bool = False, side: str = "right") -> Tokens:
        """Of a text or a pair; at most ``longest`` where it is truncated."""
        first, second = text if isinstance(text, tuple) else (text, None)
        self._tokenizer.truncation_side = side
        limit = {"truncation": True, "max_length": self.longest} if truncates else {}
        return dict(self._tokenizer(first, second, **limit))

    def encode(self, texts: Sequence[Tokens]) -> list[torch.Tensor]:
        """One tensor for each text: an embedding [width], weights [vocabulary] or scores [labels]. Texts of like lengths share a pass."""
        found: list[torch.Tensor] = [torch.empty(0)] * len(texts)
        order = sorted(range(len(texts)), key=lambda at: -len(texts[at]["input_ids"]))
        while order:
            count = max(1, self._most // max(1, len(texts[order[0]]["input_ids"])))
            places, order = order[:count], order[count:]
            for place, answer in zip(places, self._pass([texts[at] for at in places])):  # noqa: B905 - Python 3.9
                found[place] = answer
        return found

    @torch.inference_mode()
    def _pass(self, texts: list[Tokens]) -> torch.Tensor:
        batch = self._tokenizer.pad(texts, return_tensors="pt").to(self._network.device)
        answer = self._network(**batch)
        mask = batch["attention_mask"]
        if self.kind in ("classifier", "reranker"):
            scores: torch.Tensor = answer.logits
        elif self.kind == "splade":
            scores = (torch.log1p(torch.relu(answer.logits)) * mask[..., None]).amax(1)
        else:
            scores = _pooled(answer.last_hidden_state, mask, self._pooling)
        return scores.float().cpu()


def load(configuration: Configuration) -> Encoder:
    """Raises ConfigurationError with a sentence, and what a model's own code raises."""
    given = {"revision": configuration.revision} if configuration.revision else {}
    try:
        config = AutoConfig.from_pretrained(configuration.model, **given)
        kind = _kind(config, configuration)
        pooling = _pooling(configuration, Path(configuration.model)) if kind == "embedding" else ""
        loaders: dict[Kind, Any] = {"embedding": AutoModel, "splade": AutoModelForMaskedLM}
        loader: Any = loaders.get(kind, AutoModelForSequenceClassification)
        tokenizer = AutoTokenizer.from_pretrained(configuration.model, **given)
        network = loader.from_pretrained(configuration.model, config=config, dtype=_dtype(configuration, config), **given)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise ConfigurationError(
            f"The model {configuration.model} cannot be loaded: {error} Put the model's files into S3, give them as ModelDataUrl or "
            "ModelDataSource, and set HF_MODEL_ID=/opt/ml/model."
        ) from error
    network = network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    longest = _longest(tokenizer, config, Path(configuration.model))
    print(f"Serving a model of the kind {kind}, at most {longest} tokens a text.", flush=True)
    return Encoder(tokenizer, network, kind, pooling, longest, configuration.tokens)


def _kind(config: Any, configuration: Configuration) -> Kind:
    """As the router tells them apart: a classifier with one label is a re-ranker."""
    if any(name.endswith("ForSequenceClassification") for name in config.architectures or ()):
        return "reranker" if config.num_labels == 1 else "classifier"
    return "splade" if configuration.pooling == "splade" else "embedding"


def _pooling(configuration: Configuration, folder: Path) -> str:
    """As asked for, else as the sentence-transformers files say. Raises ConfigurationError."""
    modules = folder / "modules.json"
    if modules.is_file() and any(each.get("type", "").endswith(".Dense") for each in json.loads(modules.read_text())):
        raise ConfigurationError("Models with a Dense module after the pooling are not served.")
    if configuration.pooling:
        return configuration.pooling
    file = folder / "1_Pooling" / "config.json"
    if not file.is_file():
        raise ConfigurationError(
            "The `--pooling` arg is not set and we could not find a pooling configuration (`1_Pooling/config.json`) for this model."
        )
    asked = json.loads(file.read_text())
    found = [pooling for name, pooling in _POOLINGS.items() if asked.get(name)]
    if len(found) != 1:
        raise ConfigurationError(f"The pooling of {file.name} is not one of {', '.join(_POOLINGS.values())}.")
    return found[0]


def _pooled(states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """[texts, tokens, width] to [texts, width]; padding may be on either side."""
    if pooling == "mean":
        weights = mask[..., None].to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1)
    places = torch.arange(mask.shape[1], device=mask.device) * mask
    chosen = mask.argmax(1) if pooling == "cls" else places.argmax(1)
    return states[torch.arange(len(states), device=states.device), chosen]


def _dtype(configuration: Configuration, config: Any) -> torch.dtype:
    """Half precision is no format that processors compute in."""
    asked = getattr(torch, configuration.dtype, None) if configuration.dtype else config.dtype
    if configuration.dtype and not isinstance(asked, torch.dtype):
        raise ConfigurationError(f"{configuration.dtype} is no data type that a model can be loaded in.")
    if not isinstance(asked, torch.dtype) or (asked == torch.float16 and not torch.cuda.is_available()):
        return torch.float32
    return asked


def _longest(tokenizer: Any, config: Any, folder: Path) -> int:
    """Of the model, the tokenizer and sentence-transformers, who allows least. RoBERTa's positions begin after the padding's."""
    offset = (config.pad_token_id or 0) + 1 if config.model_type in ("roberta", "xlm-roberta", "camembert") else 0
    limits = [int(getattr(config, "max_position_embeddings", 0) or 0) - offset, int(min(tokenizer.model_max_length, 2**20))]
    sentence = folder / "sentence_bert_config.json"
    if sentence.is_file():
        limits.append(int(json.loads(sentence.read_text()).get("max_seq_length") or 0))
    return min(limit for limit in limits if limit > 0)
