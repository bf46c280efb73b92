"""Checkpoints tensor by tensor: read from safetensors or torch's own files, written as safetensors of a bounded size with an index.

No more than one output file is in memory, so that a model can be larger than that.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

INDEX = "model.safetensors.index.json"
_WEIGHTS = frozenset({".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx"})
_INDEXES = (INDEX, "pytorch_model.bin.index.json")


class InputError(Exception):
    """The model is not what a job can optimize; the text is for the user."""


class Source:
    """A folder's checkpoint. ``files`` are those of the index, else the one file or all there are."""

    def __init__(self, folder: Path) -> None:
        self.files = _files(folder)

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Every tensor with its name. Raises InputError."""
        seen: set[str] = set()
        for file in self.files:
            for name, tensor in _tensors(file):
                if name not in seen:
                    seen.add(name)
                    yield name, tensor

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.files)


class Sink:
    """Writes tensors into files of at most ``limit`` bytes (a larger tensor has a file of its own); ``close`` names them."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._held: dict[str, torch.Tensor] = {}
        self._held_bytes = self._bytes = 0
        self._written: list[list[str]] = []

    def add(self, name: str, tensor: torch.Tensor) -> None:
        size = tensor.numel() * tensor.element_size()
        if self._held and self._held_bytes + size > self._limit:
            self._flush()
        self._held[name] = tensor.contiguous()
        self._held_bytes += size
        self._bytes += size

    def close(self) -> int:
        """How many files there are."""
        self._flush()
        count = len(self._written)
        if count == 1:
            self._part(0).rename(self._folder / "model.safetensors")
            return 1
        names = [f"model-{number + 1:05}-of-{count:05}.safetensors" for number in range(count)]
        for number, name in enumerate(names):
            self._part(number).rename(self._folder / name)
        where = {tensor: names[number] for number, tensors in enumerate(self._written) for tensor in tensors}
        index = {"metadata": {"total_size": self._bytes}, "weight_map": dict(sorted(where.items()))}
        (self._folder / INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")
        return count

    def _flush(self) -> None:
        if self._held:
            save_file(self._held, str(self._part(len(self._written))), metadata={"format": "pt"})
            self._written.append(list(self._held))
            self._held, self._held_bytes = {}, 0

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number}"


def copy_rest(source: Path, target: Path) -> None:
    """Everything of a model's folder that is no weight: configuration, tokenizer, template, code."""
    for file in sorted(source.rglob("*")):
        if file.is_file() and not file.is_symlink() and file.suffix not in _WEIGHTS and file.name not in _INDEXES:
            goal = target / file.relative_to(source)
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, goal)


def _files(folder: Path) -> list[Path]:
    """As transformers looks for them. Raises InputError."""
    for kind, index in (("model.safetensors", _INDEXES[0]), ("pytorch_model.bin", _INDEXES[1])):
        if (folder / index).is_file():
            return [_named(folder, name) for name in _weight_map(folder / index)]
        if (folder / kind).is_file():
            return [folder / kind]
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise InputError("the model has no weights: neither *.safetensors nor pytorch_model.bin is there")
    return found


def _weight_map(index: Path) -> list[str]:
    try:
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return sorted({str(name) for name in named})
    except (ValueError, KeyError, AttributeError) as error:
        raise InputError(f"{index.name} is no index of a checkpoint: {error}") from error


def _named(folder: Path, name: str) -> Path:
    """An index comes with the model: it names files beside it and nothing else."""
    file = folder / name
    if Path(name).name != name or not file.is_file():
        raise InputError(f"the checkpoint's index names {name}, which is not there")
    return file


def _tensors(file: Path) -> Iterator[tuple[str, torch.Tensor]]:
    if file.suffix != ".safetensors":
        yield from _pickled(file).items()
        return
    try:
        with safe_open(str(file), framework="pt") as content:
            for name in content.keys():  # noqa: SIM118 - it is no mapping
                yield name, content.get_tensor(name)
    except SafetensorError as error:
        raise InputError(f"{file.name} cannot be read: {error}") from error


def _pickled(file: Path) -> dict[str, torch.Tensor]:
    """Tensors only: nothing else in the pickle is run."""
    try:
        found = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        raise InputError(f"{file.name} cannot be read: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise InputError(f"{file.name} holds no state dictionary")
    return {name: value.clone() for name, value in found.items()}  # tied tensors share memory, which safetensors refuses
