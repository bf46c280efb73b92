"""What a model's own code wants of Python: which environment, and which packages besides. Brought in after the model, named by content."""

from __future__ import annotations

import asyncio
import hashlib
import re

from sagewright.compute.environments import layer
from sagewright.compute.environments.folder import Environments
from sagewright.compute.environments.place import Place
from sagewright.compute.images import resolve
from sagewright.serving.unit import Unit

_SDK = re.compile(r"sagemaker(?![A-Za-z0-9_-])")
_ARCHIVE = "sourcedir.tar.gz"
_OURS = b"sagewright_algorithms"  # scripts of JumpStart's models run where the algorithms' libraries are


async def prepare(environments: Environments, unit: Unit) -> None:
    """Builds what is not there; the model is. Raises BuildError, OSError."""
    python = await environments.prepare(await asyncio.to_thread(_environment, unit))
    for requirements in (await asyncio.to_thread(_wishes, unit)).values():
        if unit.isolated or await asyncio.to_thread(layer.is_met, python, requirements):
            continue
        await environments.prepare_layer(python, requirements)  # a serving container reaches no registry


async def find(environments: Environments, unit: Unit) -> Place:
    """What ``prepare`` made. Raises BuildError, OSError."""
    name = await asyncio.to_thread(_environment, unit)
    python = await environments.prepare(name)
    wishes = await asyncio.to_thread(_wishes, unit)
    layers = {digest: environments.layer(python, wish) for digest, wish in wishes.items()}
    there = {digest: place for digest, place in layers.items() if place is not None}
    env = {layer.VARIABLE: next(iter(there))} if there else {}
    return Place(python, tuple(there.values()), env, await asyncio.to_thread(environments.said, name))


def _environment(unit: Unit) -> str:
    program = str(unit.container.get("Environment", {}).get("SAGEMAKER_PROGRAM", "inference.py"))
    image = resolve(unit.container["Image"])
    own_code = not image.algorithm or "SAGEMAKER_PROGRAM" in unit.container.get("Environment", {})
    script = layer.content(unit.ml / "model" / "code", program)
    return image.environment(own_code and _OURS not in script)


def _wishes(unit: Unit) -> dict[str, list[str]]:
    if resolve(unit.container["Image"]).kind == "own" or layer.has_own_installer(unit.container.get("Environment", {})):
        return {}
    code = unit.ml / "model" / "code"
    wanted = layer.content(code, layer.FILE)
    sdk = _of_sdk(layer.content(code, "inference.py"))
    files = (layer.in_archive(unit.ml / "code" / _ARCHIVE), wanted)
    if not sdk:
        return layer.wishes(files)
    digest = hashlib.sha256(wanted).hexdigest()
    return {digest: [sdk, *(line for line in layer.wanted(wanted.decode(errors="replace")) or () if not _SDK.match(line))]}


def _of_sdk(script: bytes) -> str:
    """ModelBuilder's script unpickles with the SDK what the SDK has packed: AWS's images have it, here it is laid over the image.

    Its requirements name the SDK without an upper bound, which today is another one than has packed it. Version 3 has what the script
    needs in a distribution of its own.
    """
    if b"from sagemaker.serve." not in script or b"serve.pkl" not in script:
        return ""
    return "sagemaker-serve" if b"sagemaker.serve.constants" in script else "sagemaker<3"
