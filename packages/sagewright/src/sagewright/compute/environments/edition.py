"""An edition: an environment of the version that an image's tag names, such as ``sklearn@1.2`` or ``pytorch@2.6.0-py312``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"(?P<family>[a-z]+)@(?P<version>[\d.]*)(?:-transformers(?P<transformers>[\d.]+))?(?:-py(?P<python>3\d+))?")
_VERSION = re.compile(r"(?:py\d+/)?(\d+(?:\.\d+)*)")
_TRANSFORMERS = re.compile(r"-transformers(\d+(?:\.\d+)*)")
_PYTHON = re.compile(r"(?:^|-)py(3\d+)(?=-|$)")


@dataclass(frozen=True, slots=True)
class Edition:
    """``family`` is an environment of compute/images.py; what the tag does not name is empty. ``python`` is like "3.11"."""

    family: str
    version: str = ""
    python: str = ""
    transformers: str = ""

    @classmethod
    def of_tag(cls, family: str, tag: str) -> Edition:
        """``1.2-1-cpu-py3`` is version 1.2: the number behind the hyphen counts AWS's builds."""
        version, python, transformers = (pattern.search(tag) for pattern in (_VERSION, _PYTHON, _TRANSFORMERS))
        leading = version if version is not None and version.start() == 0 else None
        return cls(
            family,
            leading[1] if leading else "",
            f"{python[1][0]}.{python[1][1:]}" if python else "",
            transformers[1] if transformers else "",
        )

    @classmethod
    def parse(cls, name: str) -> Edition | None:
        """From its name; None for any other word."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        python = match["python"] or ""
        return cls(
            match["family"], match["version"], f"{python[0]}.{python[1:]}" if python else "", match["transformers"] or ""
        )

    @property
    def name(self) -> str:
        """Names its folders, too."""
        transformers = f"-transformers{self.transformers}" if self.transformers else ""
        python = f"-py{self.python.replace('.', '')}" if self.python else ""
        return f"{self.family}@{self.version}{transformers}{python}"

    def is_met_by(self, version: str) -> bool:
        """Whether that is the version which it names: as exactly as it names one."""
        wanted = numbers(self.version)
        return bool(version) and numbers(version)[: len(wanted)] == wanted


def numbers(version: str) -> tuple[int, ...]:
    """For comparing; what follows the numbers does not count."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()
