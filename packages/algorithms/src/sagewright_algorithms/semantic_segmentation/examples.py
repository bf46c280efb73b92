"""The images of a channel with their label images: files of the same name in two channels, or an augmented manifest's pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from sagewright_algorithms.common.channels import Channel, files, media_type
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.semantic_segmentation.label_map import IGNORED, Table
from sagewright_algorithms.vision.image import Picture, UnreadableImageError, decode_file, decode_labels
from sagewright_algorithms.vision.sources import Source, recorded

_RECORDS = "application/x-recordio"
_IMAGES = ("image/jpeg", "application/x-image", "image/png")
_ENDINGS = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True)
class Encoded:
    """An image and its label image, and what messages call it."""

    image: bytes
    label: bytes
    name: str


class Pairs(Protocol):
    """A sequence of encoded pairs. Safe to read from several threads."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Encoded:
        """Raises ClientError, IndexError."""


class Files:
    """Of two channels."""

    def __init__(self, images: Path, labels: Path) -> None:
        """Raises ClientError when an image has no label image."""
        self._items = _paired(images, labels)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, number: int) -> Encoded:
        """See Pairs."""
        image, label = self._items[number]
        return Encoded(image.read_bytes(), label.read_bytes(), image.name)


class Manifest:
    """Of an augmented manifest."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, number: int) -> Encoded:
        """See Pairs."""
        example = self._source[number]
        if example.annotation is None:
            raise ClientError("application/x-recordio needs an augmented manifest with the image, then its label image")
        return Encoded(example.image, example.annotation, example.name)


class Examples:
    """Decoded: RGB, and a label image of class ids."""

    def __init__(self, source: Pairs, table: Table, classes: int) -> None:
        self._source, self._table, self._classes = source, table, classes

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, number: int) -> tuple[Picture, Picture]:
        """Both of the same size. Raises ClientError."""
        encoded = self._source[number]
        image, label = decode_file(encoded.image, encoded.name), self._label(encoded)
        if image.size != label.size:
            sizes = " and ".join(f"{width} x {height}" for width, height in (image.size, label.size))
            raise ClientError(f"The image {encoded.name} and its annotation differ in size: {sizes} pixels")
        return image, label

    def _label(self, encoded: Encoded) -> Picture:
        try:
            values = self._table[np.asarray(decode_labels(encoded.label))]
        except UnreadableImageError as error:
            raise ClientError(f"Unable to decode the annotation of the image {encoded.name}: {error}") from error
        most = values[values != IGNORED].max(initial=0)
        if most >= self._classes:
            raise ClientError(
                f"The annotation of the image {encoded.name} has the label {most}; with num_classes={self._classes} "
                f"the labels are 0 to {self._classes - 1}, and {IGNORED} for no class"
            )
        return Image.fromarray(values)


def source(channels: Mapping[str, Channel], folder: Path) -> Pairs:
    """``folder`` is the channel's. Raises ClientError."""
    channel = channels[folder.name]
    content_type = media_type(channel, *_IMAGES, _RECORDS)
    if content_type == _RECORDS or channel.get("TrainingInputMode") == "Pipe":
        return Manifest(recorded(folder, channel))
    beside = f"{folder.name}_annotation"
    if beside not in channels:
        raise ClientError(
            f"Unable to initialize the algorithm. Failed to validate input data configuration: '{beside}' is a required property"
        )
    return Files(folder, folder.with_name(beside))


def _paired(images: Path, labels: Path) -> list[tuple[Path, Path]]:
    by_name = {str(path.relative_to(labels).with_suffix("")): path for path in files(labels) if path.suffix.lower() == ".png"}
    pairs = []
    for path in files(images):
        if path.suffix.lower() in _ENDINGS:
            label = by_name.get(str(path.relative_to(images).with_suffix("")))
            if label is None:
                raise ClientError(f"The image {path.name} of the {images.name} channel has no {path.stem}.png in {labels.name}")
            pairs.append((path, label))
    if not pairs:
        raise ClientError(f"No images (.jpg) were found in the {images.name} channel")
    return pairs
