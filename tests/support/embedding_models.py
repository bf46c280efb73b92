"""Encoders of a few thousand random parameters over a vocabulary of words, made on the spot."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

WORDS = ["deep", "learning", "is", "fun", "cats", "sleep", "all", "day", "what"]
LONGEST = 16
_SPECIAL = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}


@functools.cache
def encoder(kind: str = "embedding", pooling: str = "mean", labels: int = 3) -> Path:
    """A folder with the model's files: embedding, splade or classifier (a re-ranker with one label)."""
    folder = Path(tempfile.mkdtemp(prefix="sw-encoder-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _tokenizer().save_pretrained(folder)
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": len(_SPECIAL) + len(WORDS),
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": LONGEST,
        "initializer_range": 0.5,
    }
    networks: dict[str, Any] = {"embedding": BertModel, "splade": BertForMaskedLM, "classifier": BertForSequenceClassification}
    config = BertConfig(**shape, **({"num_labels": labels} if kind == "classifier" else {}))
    networks[kind](config).eval().save_pretrained(folder)
    if kind == "embedding" and pooling:
        (folder / "1_Pooling").mkdir()
        modes = {"mean": "mean_tokens", "cls": "cls_token"}
        told = {f"pooling_mode_{mode}": name == pooling for name, mode in modes.items()}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(told))
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """By path."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def _tokenizer() -> PreTrainedTokenizerFast:
    names = [*_SPECIAL.values(), *WORDS]
    tokenizer = Tokenizer(models.WordLevel({name: at for at, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        **_SPECIAL,
    )
