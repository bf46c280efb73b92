"""LoRA adapters as PEFT writes them, beside a network that stays as it is (Hu et al. 2021; PEFT's checkpoint format).

An adapter adds ``scale * B(A(x))`` to the answer of some linear modules. Each row of a batch may have another one, or none: a hook of
the module adds what belongs to its rows, so that the weights of the base model are never touched, however they are stored.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

_CONFIG, _SAFE, _PICKLED = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
_KEY = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<half>[AB])(?:\.[^.]+)?\.weight")
_CHANGES_MORE = (
    "use_dora",
    "modules_to_save",
    "lora_bias",
    "layer_replication",
    "alora_invocation_tokens",
    "target_parameters",
    "trainable_token_indices",
)


class AdapterError(Exception):
    """An adapter cannot be loaded; the text is for the user."""


@dataclass(frozen=True)
class Pair:
    """``down`` [rank, inputs] and ``up`` [outputs, rank] of one module."""

    down: torch.Tensor
    up: torch.Tensor
    scale: float

    def of(self, values: torch.Tensor) -> torch.Tensor:
        """What is added for ``values`` [rows, tokens, inputs]."""
        return (values.to(self.down.dtype) @ self.down.T) @ self.up.T * self.scale


@dataclass(frozen=True)
class Lora:
    """The pairs of an adapter, by the path of the module."""

    pairs: Mapping[str, Pair]


def read(folder: Path, network: Any, most: int) -> Lora:
    """The adapter in a folder, fitted to a network; its rank is at most ``most``. Raises AdapterError."""
    config = _config(folder)
    halves = _halves(_tensors(folder))
    pairs = {path: _pair(path, found, config, network, most) for path, found in halves.items()}
    if not pairs:
        raise AdapterError(f"{folder.name} doesn't contain tensors")
    return Lora(pairs)


class Adapters:
    """Which adapter answers which row of a pass through ``network``. A pass, and what changes the network, excludes any other."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._lock = threading.Lock()
        self._hooked: set[str] = set()
        self._count = 0
        self._groups: list[tuple[Lora, torch.Tensor | None]] = []

    @contextmanager
    def rows(self, rows: Sequence[Lora | None]) -> Iterator[None]:
        """For one pass of as many rows."""
        with self._lock, self._set(rows):
            yield

    def fit(self, lora: Lora) -> None:
        """Tries the adapter on a row beside one without it. Raises AdapterError."""
        ids = torch.zeros(2, 1, dtype=torch.long, device=self._network.device)
        with self._lock:
            for path in lora.pairs.keys() - self._hooked:
                self._network.get_submodule(path).register_forward_hook(self._hook(path))
                self._hooked.add(path)
            try:
                with self._set([lora, None]), torch.inference_mode():
                    self._network(input_ids=ids, use_cache=False)
            except Exception as error:
                raise AdapterError(f"The adapter does not fit the base model: {error}") from error

    @contextmanager
    def _set(self, rows: Sequence[Lora | None]) -> Iterator[None]:
        self._count, self._groups = len(rows), _grouped(rows, self._network.device)
        try:
            yield
        finally:
            self._groups = []

    def _hook(self, path: str) -> Any:
        def add(_: Any, given: tuple[Any, ...], answer: torch.Tensor) -> torch.Tensor | None:
            if not self._groups:
                return None
            values = given[0]
            if values.dim() != 3 or len(values) != self._count:
                raise AdapterError(f"{path} does not see the rows of a batch")
            for lora, places in self._groups:
                answer = _added(lora.pairs.get(path), places, values, answer)
            return answer

        return add


def _added(pair: Pair | None, places: torch.Tensor | None, values: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
    if pair is None:
        return answer
    if places is None:
        return answer + pair.of(values).to(answer.dtype)
    return answer.index_add(0, places, pair.of(values[places]).to(answer.dtype))


def _grouped(rows: Sequence[Lora | None], device: Any) -> list[tuple[Lora, torch.Tensor | None]]:
    """Each adapter with its rows; None where all are its."""
    places: dict[int, list[int]] = {}
    for place, lora in enumerate(rows):
        if lora is not None:
            places.setdefault(id(lora), []).append(place)
    return [
        (rows[own[0]], None if len(own) == len(rows) else torch.tensor(own, device=device))  # type: ignore[misc]
        for own in places.values()
    ]


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AdapterError(f"The adapter has no {_CONFIG} at the root of its archive.") from error
    except (ValueError, OSError) as error:
        raise AdapterError(f"{_CONFIG} cannot be read: {error}") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise AdapterError(f"Only adapters of the type LORA are served; {_CONFIG} names another.")
    others = [name for name in _CHANGES_MORE if config.get(name)]
    if config.get("bias", "none") != "none":
        others.append("bias")
    if others:
        raise AdapterError(f"Adapters that change more than linear modules are not served: {', '.join(others)}.")
    return config


def _tensors(folder: Path) -> Mapping[str, torch.Tensor]:
    try:
        if (folder / _SAFE).is_file():
            found: Mapping[str, torch.Tensor] = load_file(folder / _SAFE)
        elif (folder / _PICKLED).is_file():
            found = torch.load(folder / _PICKLED, map_location="cpu", weights_only=True)
        else:
            raise AdapterError(f"The adapter has no {_SAFE} at the root of its archive.")
    except AdapterError:
        raise
    except Exception as error:  # whatever is wrong with a file of the user's
        raise AdapterError(f"The adapter's weights cannot be read: {error}") from error
    return found


def _halves(tensors: Mapping[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    halves: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        match = _KEY.fullmatch(key)
        if match is None or tensor.dim() != 2:
            raise AdapterError(f"The adapter has weights of another kind than those of linear modules: {key}.")
        halves.setdefault(match["module"], {})[match["half"]] = tensor
    return halves


def _pair(path: str, found: Mapping[str, torch.Tensor], config: Mapping[str, Any], network: Any, most: int) -> Pair:
    if set(found) != {"A", "B"}:
        raise AdapterError(f"The adapter has only half of {path}.")
    try:
        module = network.get_submodule(path)
    except AttributeError as error:
        raise AdapterError(f"The adapter does not fit the base model, which has no module {path}.") from error
    down, up = found["A"], found["B"]
    rank = len(down)
    if rank > most:
        raise AdapterError(f"LoRA rank {rank} is greater than max_lora_rank {most}.")
    sizes = (getattr(module, "in_features", down.shape[1]), getattr(module, "out_features", len(up)))
    if up.shape[1] != rank or (down.shape[1], len(up)) != sizes:
        raise AdapterError(
            f"The adapter does not fit the base model: {path} takes {sizes[0]} values and gives {sizes[1]}, the adapter's takes "
            f"{down.shape[1]} and gives {len(up)}."
        )
    dtype, device = _compute(network), network.device
    return Pair(down.to(device, dtype), up.to(device, dtype), _scale(path, rank, config))


def _compute(network: Any) -> torch.dtype:
    """What the network computes in: of a quantized one the type of what is not quantized."""
    return next((weight.dtype for weight in network.parameters() if weight.dtype.is_floating_point), torch.float32)


def _scale(path: str, rank: int, config: Mapping[str, Any]) -> float:
    """PEFT's: alpha of the module's own pattern, over the rank or (rsLoRA) its root."""
    patterns = config.get("alpha_pattern") or {}
    alpha = next((value for name, value in patterns.items() if _matches(name, path)), config.get("lora_alpha", rank))
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)):
        raise AdapterError(f"lora_alpha of {path} is no number.")
    return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _matches(pattern: str, path: str) -> bool:
    try:
        return re.fullmatch(rf"(?:.*\.)?(?:{pattern})", path) is not None
    except re.error as error:
        raise AdapterError(f"alpha_pattern is no regular expression: {pattern}") from error
