"""The images and labels of a channel, made ready for the network: resized, cropped, augmented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common import log
from sagewright_algorithms.common.channels import Channel
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.job import Job
from sagewright_algorithms.image_classification.labels import CLASS_IDS, MULTI_HOT, Labels, Target
from sagewright_algorithms.image_classification.settings import Settings
from sagewright_algorithms.vision import geometry, lst, sources, tensors
from sagewright_algorithms.vision.image import Picture, Pixels, decode_file, pixels
from sagewright_algorithms.vision.sources import Source

_RECORDIO = "application/x-recordio"


@dataclass(frozen=True, slots=True)
class Prepared:
    """``changes`` are those of hue, saturation and lightness, which the device applies."""

    image: Pixels
    target: Target
    changes: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Examples:
    """All examples of a channel. ``training``: with augmentation."""

    source: Source
    labels: Labels
    settings: Settings
    training: bool

    def __len__(self) -> int:
        return len(self.source)

    def prepared(self, number: int, random: np.random.Generator) -> Prepared:
        """One example. Raises ClientError."""
        example, wanted = self.source[number], self.settings
        picture = decode_file(example.image, example.name, wanted.resize or None, wanted.shape[0])
        if wanted.resize:
            picture = geometry.with_shorter_side(picture, wanted.resize)
        _, height, width = wanted.shape
        if picture.height < height or picture.width < width:
            raise ClientError(
                f"input image size smaller than input shape: the image {example.name} has {picture.width} x {picture.height} pixels, "
                f"image_shape={','.join(map(str, wanted.shape))} needs at least {width} x {height} (see resize)"
            )
        target = self.labels.target(example)
        if not self.training:
            return Prepared(pixels(geometry.centre_crop(picture, height, width)), target)
        changes = tensors.drawn_changes(random) if wanted.colours else None
        return Prepared(pixels(self._augmented(picture, random)), target, changes)

    def _augmented(self, picture: Picture, random: np.random.Generator) -> Picture:
        _, height, width = self.settings.shape
        if not self.settings.crops:
            return geometry.centre_crop(picture, height, width)
        if self.settings.warps:
            picture = geometry.warped(picture, random)
        return geometry.maybe_mirrored(geometry.random_crop(picture, height, width, random), random)


def read(job: Job, settings: Settings, name: str, *, training: bool) -> Examples:
    """The channel ``name``. Raises ClientError."""
    channel = job.channels[name]
    kind, options = _content_type(channel)
    form = options.get("label-format", MULTI_HOT)
    if form not in (MULTI_HOT, CLASS_IDS):
        raise ClientError(f"The label-format of the {name} channel is {MULTI_HOT} or {CLASS_IDS}, not {form}")
    source = _source(job, settings, name, kind)
    return Examples(source, Labels(settings.classes, settings.multi_label, form), settings, training)


def stacked_changes(batch: Sequence[Prepared]) -> list[tuple[int, int, int]]:
    """Of those that have any."""
    return [item.changes for item in batch if item.changes is not None]


def _source(job: Job, settings: Settings, name: str, kind: str) -> Source:
    folder, channel = job.layout.channel(name), job.channels[name]
    if channel.get("TrainingInputMode") == "Pipe":
        log.info(f"The channel '{name}' is in pipe input mode under {folder}.")
    if kind == _RECORDIO or channel.get("TrainingInputMode") == "Pipe":
        log.info(f"Searching for .rec files in {folder}.")
        return sources.recorded(folder, channel)
    listed = f"{name}_lst"
    if listed not in job.channels:
        raise ClientError(f"The content type {kind} of the {name} channel needs the channel {listed} with a .lst file")
    if not settings.resize:
        raise ClientError(f"The hyperparameter resize is required for the content type {kind}")
    log.info(f"Searching for .lst files in {job.layout.channel(listed)}.")
    return sources.ListedFiles(folder, lst.read(lst.find(job.layout.channel(listed), name), name))


def _content_type(channel: Channel) -> tuple[str, Mapping[str, str]]:
    kind, *options = [part.strip() for part in str(channel.get("ContentType") or _RECORDIO).split(";")]
    return kind.lower(), {key.strip().lower(): value.strip() for key, _, value in (option.partition("=") for option in options)}
