"""The folder of environments: which are defined, which are built, where their interpreters are."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sagewright.compute import trees
from sagewright.compute.environments import layer, pythons, toolkit
from sagewright.compute.environments.build import EDITIONS, BuildError, builds, interpreter, is_built
from sagewright.compute.environments.definition import DEFINITIONS, Definition, names
from sagewright.compute.environments.edition import Edition
from sagewright.compute.environments.recipe import RECIPES
from sagewright.compute.oci.own_images import OwnImages

Images = Literal["own", "versions"]
_log = logging.getLogger(__name__)
_SOURCE = str(Path(__file__).parents[3])
_BUILDER = f"import sys; sys.path.insert(0, {_SOURCE!r}); from sagewright.compute.environments.builder import main; main()"


@dataclass(frozen=True, slots=True)
class Standing:
    """One line of a list. ``folder`` is None while it is not built; ``outdated``: a build of other pins than today's."""

    name: str
    version: str
    folder: Path | None
    outdated: bool = False

    def size(self) -> int:
        """Bytes on disk."""
        return trees.disk_use(self.folder) if self.folder is not None else 0


class Environments:
    """``root`` is settings.environments, ``definitions`` the folder of definitions, ``images`` the setting of that name.

    An environment is named as in compute/images.py: ``xgboost``, or ``sklearn@1.2`` for one of the version that a tag names. With
    the setting "own" the server's Python stands for every version where it has the framework; with "versions" only for its own.
    One of that version that is built already is preferred in either case. ``own_images`` are the user's own, which bring
    everything themselves; None: those pushed beside ``root``.
    """

    def __init__(
        self, root: Path, definitions: Path = DEFINITIONS, images: Images = "own", own_images: OwnImages | None = None
    ) -> None:
        self._root = root
        self._definitions = definitions
        self._images = images
        self.own_images = own_images or OwnImages(root.parent / "registry", root.parent / "layers")

    def interpreter(self, name: str) -> str | None:
        """The Python that an image's environment runs in; None while its environment has to be built. Raises OSError."""
        edition = Edition.parse(name)
        if edition is not None and _is_met(edition):
            return sys.executable
        if edition is None and name not in names(self._definitions):
            return sys.executable
        definition = self._definition(name)
        folder = self._root / definition.identity if definition is not None else None
        if folder is not None and is_built(folder):
            toolkit.link(folder)
            return str(interpreter(folder))
        if definition is not None and definition.otherwise:
            return self.interpreter(definition.otherwise)
        return sys.executable if edition is not None and self._stands_for(edition) else None

    def said(self, name: str) -> str:
        """What the user should know about the environment that a name led to, or empty."""
        edition = Edition.parse(name)
        if edition is None:
            return self._said_of_absence(name)
        python = self.interpreter(name)
        if python is None:
            return ""
        if python == sys.executable:
            return "" if _is_met(edition) else _stands_in(edition)
        definition = self._definition(name)
        return definition.note if definition is not None else ""

    async def prepare(self, name: str) -> str:
        """The interpreter, of an environment that is built first where it has to be. Raises BuildError, OSError.

        A process of its own builds, so that a job that is stopped, or a control that ends, takes its build with it. Several at
        once wait for one another (see build.py).
        """
        found = await asyncio.to_thread(self.interpreter, name)
        if found is not None:
            return found
        await self._build(name)
        built = await asyncio.to_thread(self.interpreter, name)
        if built is None:
            raise BuildError(f"The environment {name} was removed while it was being built.")
        return built

    def _said_of_absence(self, name: str) -> str:
        """That something else stands in for an environment, and what would bring it; "" where it does not."""
        absent = []
        while name in names(self._definitions) and (definition := Definition.read(self._definitions, name)).otherwise:
            if is_built(self._root / definition.identity):
                return ""
            absent.append(f"`sagewright environments build {name}`")
            name = definition.otherwise
        return (
            f"The image's own server is not built; what stands in for it runs. To have it: {' or '.join(absent)}."
            if absent
            else ""
        )

    def _definition(self, name: str) -> Definition | None:
        """None for an edition whose pins nobody has asked for yet."""
        folder = self._definitions if Edition.parse(name) is None else self._root / EDITIONS
        return Definition.read(folder, name) if name in names(folder) else None

    def _stands_for(self, edition: Edition) -> bool:
        """Whether the server's own Python takes the place of an edition that it does not meet."""
        if edition.family == "python" and edition.python in pythons.installed():
            return False  # another Python cannot read what was pickled by this one
        return self._images == "own" and RECIPES[edition.family].is_in_own()

    def layer(self, python: str, requirements: Sequence[str]) -> Path | None:
        """The layer (layer.py) that has these requirements over an interpreter's packages; None where there is none yet."""
        place = layer.place(self._root, python, requirements)
        return place if place.is_dir() else None

    async def prepare_layer(self, python: str, requirements: Sequence[str]) -> Path:
        """The same, made first where it has to be. Raises BuildError with the installer's last lines, OSError."""
        found = await asyncio.to_thread(self.layer, python, requirements)
        if found is None:
            _log.info("installing %s for %s", ", ".join(requirements), python)
            await self._run("layer", python, *requirements)
        return layer.place(self._root, python, requirements)

    def standings(self) -> list[Standing]:
        """Every environment that is defined, and every old build."""
        found = []
        for name in (*names(self._definitions), *names(self._root / EDITIONS)):
            definition = self._definition(name)
            assert definition is not None
            current = self._root / definition.identity
            found.append(Standing(name, definition.version, current if is_built(current) else None))
            old = [folder for folder in builds(self._root, name) if folder != current]
            found += [Standing(name, _version_of(folder), folder, outdated=True) for folder in old]
        return found

    async def _build(self, name: str) -> None:
        _log.info("building the environment %s", name)
        await self._run("environment", str(self._definitions), name)

    async def _run(self, *words: str) -> None:
        """Raises BuildError."""
        command = [sys.executable, "-c", _BUILDER, str(self._root), *words]
        builder = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
        try:
            said, _ = await builder.communicate()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                os.killpg(builder.pid, signal.SIGKILL)  # uv and all
            await builder.wait()
            raise
        if builder.returncode:
            raise BuildError(said.decode(errors="replace").strip() or f"The builder of {words[-1]} died.")


def _is_met(edition: Edition) -> bool:
    """Whether the server's own environment is of the version that an edition names."""
    recipe = RECIPES[edition.family]
    if not recipe.package:
        return edition.python in ("", recipe.own_version())
    return edition.is_met_by(recipe.own_version()) and not edition.transformers


def _stands_in(edition: Edition) -> str:
    recipe = RECIPES[edition.family]
    if not recipe.package:
        return f"The image is of Python {edition.python}, which is not on this machine: Python {recipe.own_version()} runs."
    named = f"{recipe.title} {edition.version}" + (f", transformers {edition.transformers}" if edition.transformers else "")
    return (
        f"The image's tag names {named}; the server's own {recipe.title} {recipe.own_version()} runs. "
        f"`sagewright environments build {edition.name}` makes this version available, SAGEWRIGHT_IMAGES=versions every one."
    )


def _version_of(folder: Path) -> str:
    library = next(folder.glob("lib/python*"), None)
    return library.name.removeprefix("python") if library is not None else ""
