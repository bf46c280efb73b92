"""The user's script: trains a random forest in a scikit-learn container, and serves it with the functions below."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier


def model_fn(model_dir: str) -> Any:
    """Called once when an endpoint starts. CSV in and out is the container's own doing."""
    return joblib.load(Path(model_dir) / "model.joblib")


def main() -> None:
    """What the training job runs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-estimators", type=int, default=10)
    parser.add_argument("--train", type=Path, default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--model-dir", type=Path, default=os.environ.get("SM_MODEL_DIR"))
    options = parser.parse_args()
    table = np.vstack([np.loadtxt(file, delimiter=",") for file in sorted(options.train.glob("*.csv"))])
    model = RandomForestClassifier(options.n_estimators, random_state=0).fit(table[:, 1:], table[:, 0])
    print(f"train:accuracy={model.score(table[:, 1:], table[:, 0]):.4f};")
    joblib.dump(model, options.model_dir / "model.joblib")


if __name__ == "__main__":
    main()
