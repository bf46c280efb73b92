"""What an environment is made of: ``<name>.toml``. The same content gives the same environment.

``python`` is the version of its interpreter ("" for the server's own), ``requirements`` the pins of everything that is in it,
``imports`` the modules that must be importable once it is built. May be left out: ``note``, what users should know of it;
``sources``, the packages of which the registry has no wheel: their own build programs run here, nobody else's; ``without``, packages
that others name as their requirements and that are left out; and ``otherwise``, the environment that stands in for it until somebody
builds it, which no job then does by itself.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from sagewright.base import files

DEFINITIONS = Path(__file__).parent
_DIGEST = 12  # hexadecimal digits: enough to tell the pins of one name apart


@dataclass(frozen=True, slots=True)
class Definition:
    """See the module docstring."""

    name: str
    python: str
    requirements: tuple[str, ...]
    imports: tuple[str, ...]
    note: str = ""
    sources: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    otherwise: str = ""

    @classmethod
    def read(cls, folder: Path, name: str) -> Definition:
        """Of the definitions in a folder. Raises KeyError when there is none of that name."""
        if name not in names(folder):
            raise KeyError(name)
        document = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
        requirements, imports = tuple(document["requirements"]), tuple(document["imports"])
        sources, without = tuple(document.get("sources", ())), tuple(document.get("without", ()))
        said, otherwise = document.get("note", ""), document.get("otherwise", "")
        return cls(name, document["python"], requirements, imports, said, sources, without, otherwise)

    def write(self, folder: Path) -> None:
        """Where ``read`` finds it. Raises OSError."""
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        values = {
            "python": self.python,
            "requirements": self.requirements,
            "imports": self.imports,
            "note": self.note,
            "sources": self.sources,
            "without": self.without,
            "otherwise": self.otherwise,
        }
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in values.items()]  # JSON's strings and lists are TOML's
        files.write(folder / f"{self.name}.toml", "".join(lines).encode())

    @property
    def version(self) -> str:
        """The Python version that it has here."""
        return self.python or f"{sys.version_info.major}.{sys.version_info.minor}"

    @property
    def identity(self) -> str:
        """The name of its folder."""
        content = json.dumps([self.version, sorted(self.requirements)])
        return f"{self.name}-{hashlib.sha256(content.encode()).hexdigest()[:_DIGEST]}"


def names(folder: Path) -> tuple[str, ...]:
    """The environments that are defined in a folder."""
    return tuple(sorted(file.stem for file in folder.glob("*.toml")))
