"""The container's own root folder: on disk, in its run folder, gone when it ends.

Made by the shim once it has claimed the run folder: nobody else may touch it from then on. Standard library only.
"""

from __future__ import annotations

from pathlib import Path

from sagewright.compute import launch, trees, workbench

FOLDER = "scratch"
NAMES = ("hosts", "hostname")  # files of the run folder shown in /etc

_FOLDERS = {
    "home": 0o755,
    "mnt": 0o755,
    "opt": 0o755,
    "opt/ml": 0o755,
    "root": 0o700,
    "run": 0o755,
    "srv": 0o755,
    "tmp": 0o1777,
    "var": 0o755,
    "var/tmp": 0o1777,
}


def prepare(request: launch.Request) -> None:
    """Makes the folder, for the container's user, and the files that name the container."""
    folder = Path(request["folder"])
    (folder / "hostname").write_text(f"{request['hostname']}\n")
    (folder / "hosts").write_text(_hosts(request))
    for name in NAMES:
        (folder / name).chmod(0o644)
    root = Path(request["scratch"])
    trees.remove(root)
    root.mkdir()
    root.chmod(0o755)
    if request["image"]:
        return  # overlay.py makes what it needs
    for name, mode in _FOLDERS.items():
        (root / name).mkdir()
        (root / name).chmod(mode)
    (root / "var/run").symlink_to("/run")
    if request["workbench"] is not None:
        workbench.make(root, request["workbench"])
    if request["user"] is not None:
        trees.give(root, *request["user"])


def _hosts(request: launch.Request) -> str:
    """/etc/hosts. Among peers a container's own name means the address by which the others know it: programs announce it."""
    lines = ["127.0.0.1\tlocalhost", "::1\tlocalhost"]
    if request["peers"] is None:
        lines[0] += f" {request['hostname']}"
    else:
        lines += [f"{address}\t{name}" for address, name in request["peers"]["hosts"]]
    return "".join(f"{line}\n" for line in lines)
