"""The folders that a container finds under /opt/ml, made in its run folder before it starts.

Whose they are is the driver's business: it gives them to the containers' user when the server is root. What a container made of
them is measured and removed by trees.py, which follows no link that it left.
"""

from __future__ import annotations

from pathlib import Path

# "How Amazon SageMaker provides training information" and the SageMaker training toolkit's layout.
_FOLDERS = (
    "checkpoints",
    "code",
    "input/config",
    "input/data",
    "model",
    "output/data",
    "output/intermediate",
    "output/metrics/sagemaker",
)


def build(ml: Path) -> None:
    """Makes the folders below ``ml``; those that are there already stay as they are."""
    for name in _FOLDERS:
        (ml / name).mkdir(parents=True, exist_ok=True)
    for folder in (ml, *(ml / parent for name in _FOLDERS for parent in (name, *map(str, Path(name).parents)))):
        folder.chmod(0o755)  # whatever our umask is: the container's user is another
