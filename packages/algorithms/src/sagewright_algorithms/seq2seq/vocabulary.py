"""The words of one side and their ids: ``vocab.src.json``, ``vocab.trg.json`` (DG:seq-2-seq)."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

SOURCE_FILE, TARGET_FILE = "vocab.src.json", "vocab.trg.json"
PAD, UNKNOWN, START, END = range(4)
_SPECIAL = {"<pad>": PAD, "<unk>": UNKNOWN, "<s>": START, "</s>": END}


class MalformedVocabularyError(ValueError):
    """The bytes are not a vocabulary."""


class Vocabulary:
    """Raises MalformedVocabularyError when the content is not a JSON object from words to ids, the special ones first."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        try:
            ids = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise MalformedVocabularyError(f"it is not JSON: {error}") from error
        if not isinstance(ids, dict) or not all(type(number) is int and number >= 0 for number in ids.values()):
            raise MalformedVocabularyError("it is not a JSON object from words to ids")
        for word, number in _SPECIAL.items():
            if ids.get(word) != number:
                raise MalformedVocabularyError(f"the id of {word} must be {number}, it is {ids.get(word)}")
        self._ids: dict[str, int] = ids
        self._words = {number: word for word, number in self._ids.items()}
        self._size = max(self._words) + 1

    def __len__(self) -> int:
        return self._size

    def ids(self, text: str) -> list[int]:
        """Of words with white space between them; words that are not there are unknown."""
        return [self._ids.get(word, UNKNOWN) for word in text.split()]

    def text(self, ids: Iterable[int]) -> str:
        """The words with a space between them."""
        return " ".join(self._words.get(number, "<unk>") for number in ids)
