"""The folder of environments: which are defined, which are built, where their interpreters are."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sagewright.compute import trees
from sagewright.compute.environments import toolkit
from sagewright.compute.environments.build import BuildError, builds, interpreter, is_built
from sagewright.compute.environments.definition import DEFINITIONS, Definition, names
from sagewright.compute.oci.own_images import OwnImages

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
    """``root`` is settings.environments; ``definitions`` the folder of definitions.

    ``own_images`` are the user's own, which bring everything themselves; None: those pushed beside ``root``.
    """

    def __init__(self, root: Path, definitions: Path = DEFINITIONS, own_images: OwnImages | None = None) -> None:
        self._root = root
        self._definitions = definitions
        self.own_images = own_images or OwnImages(root.parent / "registry", root.parent / "layers")

    def interpreter(self, name: str) -> str | None:
        """The Python that an image's environment runs in; None while its environment has to be built. Raises OSError."""
        if name not in names(self._definitions):
            return sys.executable
        folder = self._root / Definition.read(self._definitions, name).identity
        if not is_built(folder):
            return None
        toolkit.link(folder)
        return str(interpreter(folder))

    async def prepare(self, name: str) -> str:
        """The same, built first where it has to be. Raises BuildError, OSError.

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

    def standings(self) -> list[Standing]:
        """Every environment that is defined, and every old build."""
        found = []
        for name in names(self._definitions):
            definition = Definition.read(self._definitions, name)
            current = self._root / definition.identity
            found.append(Standing(name, definition.version, current if is_built(current) else None))
            old = [folder for folder in builds(self._root, name) if folder != current]
            found += [Standing(name, _version_of(folder), folder, outdated=True) for folder in old]
        return found

    async def _build(self, name: str) -> None:
        _log.info("building the environment %s", name)
        command = [sys.executable, "-c", _BUILDER, str(self._root), str(self._definitions), name]
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
            raise BuildError(said.decode(errors="replace").strip() or f"The environment {name} could not be built.")


def _version_of(folder: Path) -> str:
    library = next(folder.glob("lib/python*"), None)
    return library.name.removeprefix("python") if library is not None else ""
