"""Libraries that need an environment of their own, as bare scripts: each line of input names one, its data and its model.

Answers a line with the exit code: one when all is imported, one for each job, which runs in a fork.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from pathlib import Path

import faiss
import numpy as np
import pandas
import rrcf
from gluonts.dataset.common import ListDataset
from gluonts.torch import DeepAREstimator


def train_faiss(data: Path, model: Path) -> None:
    rows = pandas.read_csv(data / "train" / "rows.csv", header=None).to_numpy(np.float32)
    features = np.ascontiguousarray(rows[:, 1:])
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(features.shape[1]), features.shape[1], 64)
    index.train(features)
    index.add(features)
    faiss.write_index(index, str(model))


def train_rrcf(data: Path, model: Path) -> None:
    rows = pandas.read_csv(data / "train" / "rows.csv", header=None).to_numpy()
    random = np.random.default_rng(0)
    forest = [rrcf.RCTree(rows[random.choice(len(rows), 256, replace=False)]) for _ in range(50)]
    model.write_bytes(pickle.dumps([tree.to_dict() for tree in forest]))


def train_gluonts(data: Path, model: Path) -> None:
    lines = (data / "train" / "train.json").read_text().splitlines()
    series = [{"start": pandas.Period(record["start"], "h"), "target": record["target"]} for record in map(json.loads, lines)]
    trainer = {"max_epochs": 10, "enable_progress_bar": False, "logger": False, "accelerator": "cpu"}
    estimator = DeepAREstimator(
        freq="h",
        prediction_length=24,
        context_length=24,
        num_layers=2,
        hidden_size=40,
        batch_size=128,
        num_batches_per_epoch=10,
        trainer_kwargs={**trainer, "enable_model_summary": False, "default_root_dir": str(model.parent)},
    )
    predictor = estimator.train(ListDataset(series, freq="h"))
    model.with_suffix(".folder").mkdir(exist_ok=True)
    predictor.serialize(model.with_suffix(".folder"))


TRAIN = {"faiss": train_faiss, "rrcf": train_rrcf, "gluonts": train_gluonts}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the libraries print is no answer
    print(0, file=answers)
    for line in sys.stdin:
        name, data, model = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                TRAIN[name](Path(data), Path(model))
                code = 0
            finally:
                os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers)


main()
