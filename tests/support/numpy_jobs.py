"""Training and serving of the NumPy algorithms as a container does both."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from support.ml_root import MlRoot

Table = NDArray[Any]


def csv(rows: Table) -> bytes:
    """Numbers with nine digits, as float32 needs them."""
    return "".join(",".join(f"{cell:.9g}" for cell in row) + "\n" for row in np.atleast_2d(rows).tolist()).encode()


def fit(
    root: MlRoot, algorithm: str, hyperparameters: dict[str, str], *, label_size: int = 0, **channels: Table | None
) -> list[str]:
    """Trains on CSV channels (label first where ``label_size`` is 1); the log lines."""
    given = {name: rows for name, rows in channels.items() if rows is not None}
    for name, rows in given.items():
        root.write(f"input/data/{name}/rows.csv", csv(rows))
    configure(root, hyperparameters, **dict.fromkeys(given, f"text/csv;label_size={label_size}"))
    done = root.train(SAGEWRIGHT_ALGORITHM=algorithm)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return done.stdout.splitlines()


def configure(root: MlRoot, hyperparameters: dict[str, str], **content_types: str) -> None:
    """As MlRoot.configure; the train channel of Random Cut Forest may only be sharded, and any of these may be."""
    root.configure(hyperparameters, **content_types)
    file = root.folder / "input/config/inputdataconfig.json"
    train = '"S3DistributionType": "ShardedByS3Key"'
    file.write_text(file.read_text().replace('"S3DistributionType": "FullyReplicated"', train, 1))


def answers(root: MlRoot, algorithm: str, rows: Table, **headers: str) -> bytes:
    """The body of one answer of the served model to rows of CSV."""
    with root.serving(SAGEWRIGHT_ALGORITHM=algorithm) as served:
        answer = served.invoke(csv(rows), **headers)
    assert answer.status == 200, answer.body
    return answer.body
