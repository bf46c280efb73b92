"""Texts as numbers: WordPiece learned from the training sentences, or the tokenizer of a model that came with weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor

FILE = "tokenizer.json"
LONGEST = 128  # tokens of a sentence, as AWS's preprocessing cuts it
_PIECES = 8000  # besides single characters
_SPECIAL = {name: number for number, name in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))}


class Vocabulary:
    """``padding`` is the number that fills up the shorter sentences of a batch."""

    def __init__(self, tokenizer: Tokenizer, padding: int) -> None:
        self._tokenizer = tokenizer
        self.padding = padding
        tokenizer.no_padding()
        tokenizer.enable_truncation(LONGEST)

    @classmethod
    def learned(cls, texts: list[str], lowercase: bool) -> Vocabulary:
        """Of the training sentences; the same sentences give the same vocabulary."""
        tokenizer = _split_as_bert_does(models.WordPiece(_learned(texts, lowercase), unk_token="[UNK]"), lowercase)
        tokenizer.add_special_tokens(list(_SPECIAL))
        tokenizer.decoder = decoders.WordPiece()
        ends = [("[CLS]", _SPECIAL["[CLS]"]), ("[SEP]", _SPECIAL["[SEP]"])]
        tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
        return cls(tokenizer, _SPECIAL["[PAD]"])

    @classmethod
    def read(cls, folder: Path, padding: int) -> Vocabulary:
        """Of an artifact. Raises OSError, ValueError."""
        return cls(Tokenizer.from_str((folder / FILE).read_text(encoding="utf-8")), padding)

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def write(self, folder: Path) -> None:
        """As ``tokenizer.json``, which transformers reads, too."""
        (folder / FILE).write_text(self._tokenizer.to_str(), encoding="utf-8")

    def numbers(self, texts: list[str]) -> list[list[int]]:
        """The tokens of each text."""
        return [found.ids for found in self._tokenizer.encode_batch(texts)]

    def batch(self, rows: list[list[int]], device: torch.device) -> dict[str, Tensor]:
        """What a model takes: rows filled up to the longest one, and which places are filled."""
        width = max(map(len, rows))
        ids = torch.tensor([row + [self.padding] * (width - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}


def _learned(texts: list[str], lowercase: bool) -> dict[str, int]:
    """The number of each piece.

    The trainer numbers pieces of one character as it meets them in a hash table, and settles ties by their numbers: named as
    special tokens they are numbered beforehand.
    """
    tokenizer = _split_as_bert_does(models.WordPiece(unk_token="[UNK]"), lowercase)
    normalizer = tokenizer.normalizer
    characters = sorted({letter for text in texts for letter in normalizer.normalize_str(text) if not letter.isspace()})
    known = [*_SPECIAL, *characters, *(f"##{letter}" for letter in characters)]
    trainer = trainers.WordPieceTrainer(vocab_size=len(known) + _PIECES, special_tokens=known, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    found: dict[str, int] = tokenizer.get_vocab()
    return found


def _split_as_bert_does(model: models.Model, lowercase: bool) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def of_pretrained(tokenizer: Any, padding: int) -> Vocabulary:
    """Of a tokenizer that transformers has loaded."""
    return Vocabulary(tokenizer.backend_tokenizer, padding)
