"""BentoML with its NumPy interface, a worker per processor, without access log."""

import os

import bentoml
import numpy as np
import xgboost


@bentoml.service(workers=os.cpu_count(), logging={"access": {"enabled": False}})
class Model:
    def __init__(self) -> None:
        self.booster = xgboost.Booster(model_file=os.environ["MODEL"])
        self.booster.set_param({"nthread": 1})

    @bentoml.api
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.booster.inplace_predict(rows.astype(np.float32))
