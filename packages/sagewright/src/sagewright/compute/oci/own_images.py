"""Images of one's own, ready to run: found in the registry, unpacked layer by layer, with what their configuration says.

A layer is unpacked once, whichever images share it, into a folder named after its digest; a folder that has its name is complete.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sagewright.base.world import World
from sagewright.compute import host, trees
from sagewright.compute.images import resolve
from sagewright.compute.oci import unpacker, user
from sagewright.compute.oci.layout import Layout
from sagewright.compute.oci.manifest import Contents, UnusableImage, contents
from sagewright.compute.oci.reference import Reference, parse
from sagewright.compute.runtime import RootFs

__all__ = ["MissingImage", "OwnImage", "OwnImages", "UnusableImage"]

_NAME = 32
"""Digits of a digest that name a layer's folder: overlayfs takes a hundred names within one page."""


class MissingImage(Exception):
    """There is no such image: ``repository`` has no such tag or digest, or (``whole``) is not there itself."""

    def __init__(self, uri: str, account: str, repository: str, whole: bool) -> None:
        super().__init__(f"Requested image {uri} not found.")
        self.uri = uri
        self.account = account
        self.repository = repository
        self.whole = whole


@dataclass(frozen=True, slots=True)
class OwnImage:
    """What a container of an image is started with. ``digest`` is the image's, whatever tag named it."""

    digest: str
    rootfs: RootFs
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: Mapping[str, str]
    workdir: str

    def command(self, word: str, entrypoint: Sequence[str] = (), arguments: Sequence[str] = ()) -> tuple[str, ...]:
        """The argv. Docker's rules (DG your-algorithms-training-algo-dockerfile): an ``entrypoint`` drops the image's own and its
        CMD, ``arguments`` take the place of CMD, and without either the image is run with the one ``word`` train or serve, or
        with its CMD where there is no word.
        """
        if entrypoint:
            return (*entrypoint, *arguments)
        return (*self.entrypoint, *(arguments or ((word,) if word else self.cmd)))


class OwnImages:
    """``registry`` is settings.registry, ``root`` where layers are unpacked (settings.layers)."""

    def __init__(self, registry: Path, root: Path) -> None:
        self.layout = Layout(registry)
        self._root = root
        self._lock = threading.Lock()

    def check(self, uri: str, caller: World) -> None:
        """Raises MissingImage for a URI that names an image of one's own that is not there."""
        reference = parse(uri)
        if reference is not None and resolve(uri).kind == "own":
            self._digest(uri, reference, caller)

    def labels(self, uri: str, caller: World) -> Mapping[str, str] | None:
        """The labels of an image of one's own; None of one that comes with the server. Raises MissingImage."""
        reference = parse(uri)
        if reference is None or resolve(uri).kind != "own":
            return None
        try:
            found = contents(self.layout, self._digest(uri, reference, caller)).config.get("Labels") or {}
        except UnusableImage:  # its deployment will say so
            return {}
        return {str(name): str(value) for name, value in found.items()}

    async def prepare(self, uri: str, caller: World, digest: str = "") -> OwnImage:
        """Unpacks what is not unpacked yet. ``digest`` wins over what the URI says. Raises MissingImage, UnusableImage, OSError."""
        return await asyncio.to_thread(self._prepare, uri, caller, digest)

    def _prepare(self, uri: str, caller: World, digest: str) -> OwnImage:
        reference = parse(uri)
        if reference is None:
            raise UnusableImage("it is in no registry of this server")
        digest = self._digest(uri, reference._replace(digest=digest or reference.digest), caller)
        found = contents(self.layout, digest)
        return _image(digest, found, self._layers(found))

    def _digest(self, uri: str, reference: Reference, caller: World) -> str:
        world = reference.of(caller)
        repository = self.layout.repository(world, reference.repository)
        digest = reference.digest or repository.digest(reference.tag)
        if digest is None or not repository.holds(digest):
            raise MissingImage(uri, world.account, reference.repository, not repository.digests())
        return digest

    def _layers(self, found: Contents) -> tuple[Path, ...]:
        """The folders of an image's layers, each once: where it is highest."""
        users = host.image_users()
        home = self._root / ("of-many-users" if users is not None else "of-one-user")
        highest_first = {digest: home / digest.partition(":")[2][:_NAME] for digest, _ in reversed(found.layers)}
        for _, kind in found.layers:
            if kind.endswith(("zstd", "foreign.diff.tar.gzip")):
                raise UnusableImage(f"it has a layer of the kind {kind}; push it compressed by gzip")
        with self._lock:
            missing = {digest: folder for digest, folder in highest_first.items() if not folder.exists()}
            if missing:
                self._unpack(missing, users)
        return tuple(reversed(highest_first.values()))

    def _unpack(self, missing: Mapping[str, Path], users: int | None) -> None:
        partial = {folder: folder.with_name(f".{folder.name}") for folder in missing.values()}
        owner = host.default_user() if users is None else None
        try:
            for draft in partial.values():
                trees.remove(draft)
                draft.mkdir(parents=True)
            layers = [(self.layout.blob(digest), partial[folder]) for digest, folder in missing.items()]
            unpacker.run(layers, shutil.disk_usage(self._root).free, users, owner)
            for folder, draft in partial.items():
                draft.rename(folder)
        except ValueError as broken:
            raise UnusableImage(str(broken)) from broken
        finally:
            for draft in partial.values():
                trees.remove(draft)


def _image(digest: str, found: Contents, layers: tuple[Path, ...]) -> OwnImage:
    config = found.config
    whom = user.find(str(config.get("User") or ""), layers)
    pairs = [str(entry).partition("=") for entry in config.get("Env") or ()]
    env = {name: value for name, _, value in pairs if name and "\0" not in f"{name}{value}"}
    return OwnImage(
        digest,
        RootFs(layers, whom.user, whom.group, whom.groups),
        _words(config.get("Entrypoint")),
        _words(config.get("Cmd")),
        {"HOME": whom.home, **env},
        str(config.get("WorkingDir") or "/"),
    )


def _words(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()
