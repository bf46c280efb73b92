"""A language model of a few thousand parameters that has learnt the alphabet: greedy, it goes on from any letter to the end."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    XGLMConfig,
    XGLMForCausalLM,
)

ALPHABET = "abcdefghijklmnopqrstuvwxyzé."
"""Followed by the end of the text; é is two tokens, every other character one."""
TEMPLATE = "{{ bos_token }}{% for message in messages %}{{ message.content }}{% endfor %}"
LONGEST = 64
_SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}


@functools.cache
def alphabet(kind: str = "llama", template: bool = True) -> Path:
    """A folder with the model's files; made once. ``kind``: llama, gpt2, or wide: a llama with heads of 32, which vLLM has kernels for."""
    folder = Path(tempfile.mkdtemp(prefix="sw-text-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tokenizer = _tokenizer(template)
    tokenizer.save_pretrained(folder)
    network = _learnt(kind, tokenizer)
    network.save_pretrained(folder)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """By name."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def _tokenizer(template: bool) -> PreTrainedTokenizerFast:
    """Bytes are tokens; a text begins with <s>."""
    names = [*_SPECIAL.values(), *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={name: id_ for id_, name in enumerate(names)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    found = PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **_SPECIAL)
    if template:
        found.chat_template = TEMPLATE
    return found


def _learnt(kind: str, tokenizer: PreTrainedTokenizerFast) -> torch.nn.Module:
    torch.manual_seed(0)
    ends = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if kind == "gpt2":
        network: torch.nn.Module = GPT2LMHeadModel(
            GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2, n_positions=LONGEST, **ends)
        )
    elif kind == "xglm":
        still = dict.fromkeys(("dropout", "attention_dropout", "activation_dropout", "layerdrop"), 0.0)
        sizes = {"d_model": 32, "ffn_dim": 64, "num_layers": 2, "attention_heads": 2, "max_position_embeddings": LONGEST}
        network = XGLMForCausalLM(XGLMConfig(vocab_size=len(tokenizer), **sizes, **still, **ends))
    else:
        shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
        shape |= {"head_dim": 32} if kind == "wide" else {}
        network = LlamaForCausalLM(
            LlamaConfig(vocab_size=len(tokenizer), num_key_value_heads=1, max_position_embeddings=LONGEST, **shape, **ends)
        )
    ids = [*tokenizer(ALPHABET)["input_ids"], tokenizer.eos_token_id]
    starts = torch.tensor([[ids[0], *ids[1 + cut :], *([tokenizer.pad_token_id] * cut)] for cut in range(0, 26, 5)])
    labels = starts.masked_fill(starts == tokenizer.pad_token_id, -100)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02, weight_decay=0.0)
    for _ in range(60):
        optimizer.zero_grad()
        loss = network(input_ids=starts, attention_mask=(starts != tokenizer.pad_token_id).long(), labels=labels).loss
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5
    return network.eval()
