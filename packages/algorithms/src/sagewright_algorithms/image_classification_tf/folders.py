"""Images in folders: one sub-folder per class, the classes in alphabetical order (DG:IC-TF-inputoutput)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sagewright_algorithms.common.channels import files
from sagewright_algorithms.common.errors import ClientError

_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True)
class Images:
    """``paths`` below ``root``, and the number of each one's class among ``classes``."""

    root: Path
    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, number: int) -> str:
        """For messages."""
        return str(self.paths[number].relative_to(self.root))


def read(folder: Path, classes: tuple[str, ...] = ()) -> Images:
    """All images of a channel; ``classes``: those that there may be (any when empty). Raises ClientError."""
    found = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    names = classes or tuple(path.name for path in found)
    unknown = [path.name for path in found if path.name not in names]
    if unknown:
        raise ClientError(f"The {folder.name} channel has a folder {unknown[0]!r}, which is no class of the training channel")
    listed = [(path, names.index(each.name)) for each in found for path in files(each) if path.suffix.lower() in _SUFFIXES]
    if not listed:
        raise ClientError(
            f"No images were found in the {folder.name} channel: it needs a folder of {', '.join(_SUFFIXES)} files per class"
        )
    if len(names) < 2:
        raise ClientError(f"The {folder.name} channel has one folder, {names[0]!r}: classification needs at least two classes")
    return Images(folder, names, tuple(path for path, _ in listed), tuple(label for _, label in listed))


def divided(images: Images, share: float, seed: int) -> tuple[Images, Images | None]:
    """The images to train with and a random share for validation (None when that is no image). Raises ClientError."""
    count = int(len(images) * share)
    order = np.random.default_rng(seed).permutation(len(images)).tolist()
    if count == len(images):
        raise ClientError(f"validation_split_ratio={share:g} leaves no images for training")
    return _some(images, sorted(order[count:])), _some(images, sorted(order[:count])) if count else None


def _some(images: Images, numbers: list[int]) -> Images:
    return Images(
        images.root,
        images.classes,
        tuple(images.paths[number] for number in numbers),
        tuple(images.labels[number] for number in numbers),
    )
