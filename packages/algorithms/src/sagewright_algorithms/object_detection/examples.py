"""The annotated images of a channel: image records, the pairs of an augmented manifest, or image files with a JSON file each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import orjson

from sagewright_algorithms.common.channels import Channel, files, media_type
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.object_detection.labels import Labels
from sagewright_algorithms.vision.sources import Source, recorded

_RECORDS = "application/x-recordio"
_IMAGES = ("application/x-image", "image/jpeg", "image/png")
_ENDINGS = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True)
class Annotated:
    """``image`` is encoded, ``objects`` are rows of class and corners, ``name`` says in messages which it is."""

    image: bytes
    objects: Floats
    name: str


class Examples(Protocol):
    """A sequence of annotated images. Safe to read from several threads."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Annotated:
        """Raises ClientError, IndexError."""


class RecordExamples:
    """Of image records, or of an augmented manifest."""

    def __init__(self, source: Source, labels: Labels) -> None:
        self._source, self._labels = source, labels

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, number: int) -> Annotated:
        """See Examples."""
        example = self._source[number]
        if example.annotation is not None:
            objects = self._labels.of_annotation(example.annotation, example.name)
        else:
            objects = self._labels.of_record(example.label, example.name)
        return Annotated(example.image, objects, example.name)


class FileExamples:
    """Of image files and the annotations that a second channel holds under the same names."""

    def __init__(self, images: Path, annotations: Path, labels: Labels) -> None:
        """Raises ClientError when an image has no annotation or an annotation no image."""
        self._images, self._labels = images, labels
        self._items = _paired(images, annotations)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, number: int) -> Annotated:
        """See Examples."""
        image, annotation = self._items[number]
        name = str(image.relative_to(self._images))
        return Annotated(image.read_bytes(), self._labels.of_annotation(annotation.read_bytes(), name), name)


def of(channels: Mapping[str, Channel], folder: Path, labels: Labels) -> Examples:
    """``folder`` is the channel's. Raises ClientError."""
    channel = channels[folder.name]
    content_type = media_type(channel, _RECORDS, *_IMAGES)
    if content_type == _RECORDS or channel.get("TrainingInputMode") == "Pipe":
        return RecordExamples(recorded(folder, channel), labels)
    beside = f"{folder.name}_annotation"
    if beside not in channels:
        raise ClientError(f"Images of the type {content_type} need the channel {beside} with a .json file for each")
    return FileExamples(folder, folder.with_name(beside), labels)


def _paired(images: Path, annotations: Path) -> list[tuple[Path, Path]]:
    found = {str(path.relative_to(images)): path for path in files(images) if path.suffix.lower() in _ENDINGS}
    if not found:
        raise ClientError(f"No images (.jpg, .png) were found in the {images.name} channel")
    by_stem = {Path(name).stem: path for name, path in found.items()}
    pairs: dict[Path, Path] = {}
    for annotation in files(annotations):
        if annotation.suffix == ".json":
            named = _file_of(annotation)
            image = found.get(named) or by_stem.get(annotation.stem)
            if image is None:
                raise ClientError(
                    f"The image {named or annotation.stem} of {annotation.name} is not in the {images.name} channel"
                )
            pairs[image] = annotation
    for name, image in found.items():
        if image not in pairs:
            raise ClientError(
                f"Each image needs a .json file for annotation: {name} has none in the {annotations.name} channel"
            )
    return [(image, pairs[image]) for image in found.values()]


def _file_of(annotation: Path) -> str:
    """The image that an annotation names, relative to its channel; "" when it names none."""
    try:
        document = orjson.loads(annotation.read_bytes())
        return str(document.get("file") or "")
    except (ValueError, AttributeError) as error:
        raise ClientError(f"The annotation {annotation.name} is not a JSON object: {error}") from error
