"""Writes docs/guide/algorithms from the manifests and the READMEs of packages/algorithms:  python tests/docs/algorithm_pages.py"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "packages/algorithms/src"
sys.path.insert(0, str(PACKAGES))

from sagewright.compute.environments import definition  # noqa: E402
from sagewright_algorithms import manifest as manifests  # noqa: E402
from sagewright_algorithms.manifest import Channel, Hyperparameter, Manifest  # noqa: E402

GUIDE = ROOT / "docs/guide/algorithms"
HEAD = """# The built-in algorithms

Each takes AWS's image, channels, hyperparameters and content types, and answers in AWS's formats. Figures were measured on two
cores without a GPU; `tests/fidelity` holds them.

"""
TAIL = """
These pages are generated from the manifests and READMEs of `packages/algorithms` (`make guide`); a test holds them current.
"""
INSTALLED = "every installation has it"


def pages() -> dict[str, str]:
    """Text by file name."""
    known = [manifests.load(name) for name in manifests.names()]
    written = {f"{manifest.algorithm}.md": _page(manifest) for manifest in known}
    return {"README.md": _index(known), **written}


def _index(known: Iterable[Manifest]) -> str:
    rows = [
        (f"[{item.title}]({item.algorithm}.md)", _called(item), _extra(item), _measured(item))
        for item in sorted(known, key=lambda item: item.title)
    ]
    return HEAD + _table(("algorithm", "image or form", "install", "measured"), rows) + TAIL


def _page(manifest: Manifest) -> str:
    hyperparameters = [_hyperparameter(item) for item in manifest.hyperparameters]
    metrics = [
        (f"`{item.name}`", _direction(item.direction), _tunable_objective(item.direction), f"`{_cell(item.regex)}`")
        for item in manifest.metrics
    ]
    tunable = [
        (f"`{item.name}`", item.type, ", ".join(item.values) or f"{item.min} to {item.max}") for item in manifest.tunable
    ]
    inference = manifest.inference
    parts = [
        f"# {manifest.title}",
        f"{_called(manifest)}; {_extra(manifest)}. AWS: {', '.join(manifest.documentation)}",
        _readme(manifest),
        "## Channels",
        _table(("channel", "", "content types", "input modes", "distribution"), map(_channel, manifest.channels)),
        "## Hyperparameters",
        _table(("name", "type", "default", "range or values", "what it does"), hyperparameters),
        "## Metrics",
        _table(("name", "better", "", "regex"), metrics) if metrics else "None.",
        "## Tunable",
        _table(("name", "type", "recommended range"), tunable) if tunable else "None.",
        "## Requests and answers",
        f"Takes {_listed(inference.request_types)}; answers {_listed(inference.response_types)} "
        f"(`{inference.default_response_type}` unless asked otherwise).",
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _readme(manifest: Manifest) -> str:
    """The README without its title; its links lead to the same files from here."""
    _, _, text = _readme_text(manifest).partition("\n")

    def moved(link: re.Match[str]) -> str:
        target = os.path.relpath(_package(manifest) / link[1], GUIDE)
        return f"]({target})"

    return re.sub(r"\]\((?!https?:|#)([^)]+)\)", moved, text)


def _readme_text(manifest: Manifest) -> str:
    return (_package(manifest) / "README.md").read_text()


def _package(manifest: Manifest) -> Path:
    return PACKAGES / "sagewright_algorithms" / manifest.algorithm.replace("-", "_")


def _measured(manifest: Manifest) -> str:
    """The section of the README, on one line."""
    found = re.search(r"^## Measured\n(.*?)(?=^## |\Z)", _readme_text(manifest), re.MULTILINE | re.DOTALL)
    assert found, f"{manifest.algorithm}: its README has no section Measured"
    return _cell(" ".join(found[1].split()))


def _called(manifest: Manifest) -> str:
    if manifest.repositories:
        return ", ".join(f"`{name}`" for name in manifest.repositories)
    ids = [f"`{model.id}`" for model in manifest.jumpstart]
    return f"JumpStart: {', '.join(ids[:2])}{' …' if len(ids) > 2 else ''}"


def _extra(manifest: Manifest) -> str:
    if manifest.environment in definition.names(definition.DEFINITIONS):
        return f"`sagewright environments build {manifest.environment}`, or its first job"
    return f"`pip install 'sagewright-algorithms[{manifest.extra}]'`" if manifest.extra else INSTALLED


def _channel(channel: Channel) -> tuple[str, ...]:
    return (
        f"`{channel.name}`",
        "required" if channel.required else "",
        _listed(channel.content_types),
        ", ".join(channel.input_modes),
        ", ".join(channel.distributions),
    )


def _hyperparameter(item: Hyperparameter) -> tuple[str, ...]:
    bounded = item.min is not None or item.max is not None
    allowed = ", ".join(item.choices) + (" or " if item.choices and bounded else "") + (item.interval() if bounded else "")
    default = "required" if item.required else f"`{item.default}`" if item.default is not None else ""
    return (f"`{item.name}`", item.type, default, _cell(allowed), _cell(item.description))


def _direction(direction: str | None) -> str:
    return {"Maximize": "higher", "Minimize": "lower"}.get(direction or "", "")


def _tunable_objective(direction: str | None) -> str:
    return "objective for tuning" if direction else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def write() -> None:
    """Writes the pages; those of algorithms that are gone go, too."""
    GUIDE.mkdir(parents=True, exist_ok=True)
    current = pages()
    for stale in set(GUIDE.glob("*.md")) - {GUIDE / name for name in current}:
        stale.unlink()
    for name, text in current.items():
        (GUIDE / name).write_text(text)


if __name__ == "__main__":
    write()
