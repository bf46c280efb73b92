"""What an image consists of: the manifests of Docker and OCI, and the configuration they name."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagewright.compute.oci.layout import Layout
from sagewright.compute.oci.reference import DIGEST

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = (
    *INDEXES,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
"""What a client must say that it takes, or the registry denies having it."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}


class UnusableImage(Exception):
    """An image that cannot become a container here; the text is for a FailureReason."""


@dataclass(frozen=True, slots=True)
class Contents:
    """``layers`` are pairs of digest and media type, the lowest first; ``config`` is the "config" member of its configuration."""

    layers: tuple[tuple[str, str], ...]
    config: Mapping[str, Any]


def contents(layout: Layout, digest: str) -> Contents:
    """Of a manifest, or of the one for this machine in an index. Raises UnusableImage."""
    try:
        manifest = layout.document(digest)
        if _is_index(manifest):
            manifest = layout.document(_ours(manifest))
        if manifest.get("schemaVersion") != 2 or "config" not in manifest:
            raise UnusableImage("its manifest is neither Docker's version 2 nor OCI's")
        configuration = layout.document(_digest(manifest["config"]))
        layers = tuple((_digest(layer), str(layer.get("mediaType", ""))) for layer in manifest.get("layers", ()))
    except FileNotFoundError as lost:
        raise UnusableImage("a part of it is not in the registry") from lost
    except (ValueError, TypeError, AttributeError) as broken:
        raise UnusableImage(f"its manifest cannot be read: {broken}") from broken
    _check_platform(configuration)
    if not layers:
        raise UnusableImage("it has no layers")
    config = configuration.get("config")
    return Contents(layers, config if isinstance(config, dict) else {})


def size(manifest: Mapping[str, Any]) -> int:
    """Bytes of an image as it is pushed: its layers and its configuration."""
    parts = [*manifest.get("layers", ()), manifest.get("config", {})]
    return sum(int(part.get("size", 0)) for part in parts if isinstance(part, dict))


def here() -> str:
    """The architecture of this machine, in the words of images."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def _is_index(manifest: Mapping[str, Any]) -> bool:
    return manifest.get("mediaType") in INDEXES or "manifests" in manifest


def _ours(index: Mapping[str, Any]) -> str:
    offered = []
    for entry in index.get("manifests", ()):
        wanted = entry.get("platform", {})
        if (wanted.get("os"), wanted.get("architecture")) == ("linux", here()):
            return _digest(entry)
        offered.append(f"{wanted.get('os')}/{wanted.get('architecture')}")
    raise UnusableImage(f"it is for {', '.join(offered) or 'no platform'} and this machine is linux/{here()}")


def _check_platform(configuration: Mapping[str, Any]) -> None:
    system, architecture = configuration.get("os", "linux"), configuration.get("architecture", here())
    if (system, architecture) != ("linux", here()):
        raise UnusableImage(f"it is for {system}/{architecture} and this machine is linux/{here()}")


def _digest(descriptor: Mapping[str, Any]) -> str:
    digest = str(descriptor.get("digest", ""))
    if not DIGEST.fullmatch(digest):  # it becomes a path
        raise ValueError(f"{digest!r} is no digest")
    return digest
