"""Containers as plain processes, where the machine offers neither user namespaces nor bubblewrap. No isolation whatsoever.

There is no /opt/ml: SAGEWRIGHT_ML_ROOT names the folder instead, and every word of the command and value of the environment
that begins with /opt/ml is rewritten. Code that has /opt/ml written into it does not run here.
"""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path

from sagewright.compute import trees
from sagewright.compute.runtime import InstanceSpec, Mount, Peers
from sagewright.compute.sandbox import container_environment
from sagewright.compute.supervised import Supervised, run_shim

_ML = "/opt/ml"
_FOLDERS = {
    "SM_MODEL_DIR": "model",
    "SM_INPUT_DIR": "input",
    "SM_INPUT_CONFIG_DIR": "input/config",
    "SM_OUTPUT_DIR": "output",
    "SM_OUTPUT_DATA_DIR": "output/data",
}


class Process(Supervised):
    """The driver of last resort."""

    name = "process"
    caution = (
        "This machine offers no sandbox: the container runs as a plain process and is not isolated. See: sagewright doctor"
    )

    @property
    def without_file_systems(self) -> str:
        """See runtime.Runtime."""
        return "the container runs as a plain process, in which nothing can be mounted"

    def _network(self, peers: Peers | None) -> contextlib.AbstractContextManager[object]:
        if peers is not None:
            text = "several instances need networks of their own, which take user namespaces or bubblewrap, and it offers neither to us"
            raise OSError(errno.EOPNOTSUPP, text)
        return contextlib.nullcontext()

    def _launch(self, spec: InstanceSpec) -> None:
        if spec.network == "isolated":
            text = "network isolation needs user namespaces or bubblewrap, and this machine offers neither to us"
            raise OSError(errno.EOPNOTSUPP, text)
        if spec.rootfs is not None:
            raise OSError(errno.EOPNOTSUPP, "images of your own need user namespaces, and this machine offers none to us")
        for mount in spec.mounts:
            _link(mount, spec.ml)
        request = self._request(spec, "process", env=_environment(spec), root=[])
        request["argv"] = [_rewritten(word, spec.ml) for word in spec.argv]
        request["workdir"] = _rewritten(spec.workdir, spec.ml)
        request["user"] = None  # another user could not even reach the folders
        run_shim(request)


def _environment(spec: InstanceSpec) -> dict[str, str]:
    folders = {name: f"{spec.ml}/{folder}" for name, folder in _FOLDERS.items()}
    given = {name: _rewritten(value, spec.ml) for name, value in container_environment(spec, has_workbench=False).items()}
    return {**folders, **given, "HOME": str(spec.ml), "SAGEWRIGHT_ML_ROOT": str(spec.ml)}


def _rewritten(text: str, ml: Path) -> str:
    return f"{ml}{text.removeprefix(_ML)}" if text == _ML or text.startswith(f"{_ML}/") else text


def _link(mount: Mount, ml: Path) -> None:
    """A link is all that can stand for a mount here. Raises OSError for a target outside /opt/ml."""
    if not mount.target.startswith(f"{_ML}/"):
        raise OSError(errno.EOPNOTSUPP, f"nothing can be shown at {mount.target} without a sandbox")
    place = Path(_rewritten(mount.target, ml))
    if place.is_symlink() or place.exists():
        trees.remove(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(mount.source)
