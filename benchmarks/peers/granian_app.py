"""A bare granian RSGI worker with the model in its process: no framework, no signature."""

import os

import numpy as np
import xgboost

booster = xgboost.Booster(model_file=os.environ["MODEL"])
booster.set_param({"nthread": 1})
HEADERS = [("content-type", "text/csv")]


async def app(scope, protocol):
    body = await protocol()
    rows = np.array([line.split(b",") for line in body.splitlines()], dtype=np.float32)
    protocol.response_str(200, HEADERS, "\n".join(map(str, booster.inplace_predict(rows))) + "\n")
