"""What the registry holds, read where it keeps it: the file layout of Distribution (registry/storage/paths.go, version 2).

Its HTTP API names neither untagged images nor times, and cannot remove a tag; and what lies on this disk need not be fetched over
a socket. Only the registry adds to it. What is removed here is out of its sight at once, for it runs without a cache; the bytes go
at its next start (server.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sagewright.base.world import World
from sagewright.compute import trees

_MANIFEST_LIMIT = 4 * 1024 * 1024
GARBAGE = "garbage"
"""A file at the top: something was removed whose bytes are still there."""


class Layout:
    """``root`` is the registry's folder (settings.registry)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._below = root / "docker" / "registry" / "v2"

    def repository(self, world: World, name: str) -> StoredRepository:
        """By a name that matches reference.NAME; nothing need have been pushed to it."""
        return StoredRepository(self, self._below / "repositories" / path_of(world, name))

    def blob(self, digest: str) -> Path:
        """The file with that content."""
        algorithm, _, number = digest.partition(":")
        return self._below / "blobs" / algorithm / number[:2] / number / "data"

    def document(self, digest: str) -> dict[str, Any]:
        """A JSON blob. Raises FileNotFoundError, ValueError."""
        found = json.loads(self.content(digest))
        if not isinstance(found, dict):
            raise ValueError(f"{digest} is no JSON object")
        return found

    def content(self, digest: str) -> bytes:
        """A small blob. Raises FileNotFoundError, ValueError."""
        with self.blob(digest).open("rb") as file:
            content = file.read(_MANIFEST_LIMIT + 1)
        if len(content) > _MANIFEST_LIMIT:
            raise ValueError(f"{digest} is too large for a document")
        return content

    def prepare(self) -> None:
        """Makes the folder that collecting garbage takes for granted."""
        (self._below / "repositories").mkdir(parents=True, exist_ok=True)

    def empty(self) -> None:
        """Forgets every repository."""
        trees.remove(self._below / "repositories")
        self.note_garbage()

    def note_garbage(self) -> None:
        """Has the next start of the registry collect it."""
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / GARBAGE).touch()


class StoredRepository:
    """One repository of the registry."""

    def __init__(self, layout: Layout, folder: Path) -> None:
        self._layout = layout
        self._folder = folder
        self._tags = folder / "_manifests" / "tags"
        self._revisions = folder / "_manifests" / "revisions" / "sha256"

    def tags(self) -> dict[str, str]:
        """The digest of each tag."""
        found = {}
        for link in sorted(self._tags.glob("*/current/link")):
            digest = _linked(link)
            if digest and (self._revisions / digest.partition(":")[2] / "link").exists():
                found[link.parent.parent.name] = digest
        return found

    def digest(self, tag: str) -> str | None:
        """What a tag names."""
        digest = _linked(self._tags / tag / "current" / "link")
        return digest if digest and self.holds(digest) else None

    def digests(self) -> list[str]:
        """Every manifest, tagged or not, the oldest first."""
        links = sorted(self._revisions.glob("*/link"), key=lambda link: (link.stat().st_mtime, link))
        return [f"sha256:{link.parent.name}" for link in links]

    def holds(self, digest: str) -> bool:
        """Whether it has this manifest."""
        return (self._revisions / digest.partition(":")[2] / "link").exists()

    def pushed(self, digest: str) -> float:
        """When a manifest came, in epoch seconds. Raises FileNotFoundError."""
        return (self._revisions / digest.partition(":")[2] / "link").stat().st_mtime

    def remove_tag(self, tag: str) -> None:
        """The manifest stays."""
        trees.remove(self._tags / tag)

    def remove_manifest(self, digest: str) -> None:
        """With all its tags."""
        for tag, named in self.tags().items():
            if named == digest:
                self.remove_tag(tag)
        trees.remove(self._revisions / digest.partition(":")[2])
        self._layout.note_garbage()

    def remove(self) -> None:
        """Everything; not repositories whose names begin with this one's and a slash."""
        for name in ("_manifests", "_layers", "_uploads"):
            if (self._folder / name).exists():
                trees.remove(self._folder / name)
                self._layout.note_garbage()


def path_of(world: World, name: str) -> str:
    """The name of a repository among those of all accounts and regions: what the registry itself calls it."""
    return f"{world.account}/{world.region}/{name}"


def _linked(link: Path) -> str:
    try:
        return link.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
